/* The per-operator formulas of archgym/envs/systolic/cost.py as a plain C loop: what the compiled Python is measured
   against. benchmarks/plain_loop.py builds it, checks that it gives the same sums, and compares the speeds. */
#include <math.h>
#include <stddef.h>

typedef struct { double rows, columns, arrays, dataflow, overlap, ifmap, filter, ofmap, clock, memory, lanes, bits,
    accumulator, sparsity_engine, arithmetic; } Design;
typedef struct { double array_mm2, sram_mm2, vector_mm2, phy_mm2, leakage, mac_j, ifmap_j, filter_j, ofmap_j, vector_j,
    memory_j, memory_s, cycle_s, dispatch_s, vector_s, half_ifmap, half_filter, half_ofmap; } Budget;
#include "operator.h" /* Operator: generated from OPERATOR_DTYPE */
typedef struct { double latency, compute, memory, vector, shift, macs, sram, dram, mac_j, sram_j, vector_j, dram_j; } Sum;

enum { OS, WS, IS };

static double max2(double a, double b) { return a > b ? a : b; }
static double min2(double a, double b) { return a < b ? a : b; }

static int add(const Design *d, const Operator *o, const Budget *f, Sum *s) {
    double m = o->m, k = o->k, n = o->n, products = o->batch * o->groups, vector = o->vector_ops * f->vector_s;
    double tile_bytes = 0, loads_a = 1, loads_b = 1, compute = 0, shift = 0, macs = 0, passes = 1;
    double ifmap_bytes, filter_bytes = 0, ofmap_bytes = 0;
    double folds = 0, length = 0;
    if (k > 0) {
        int flow = (int)d->dataflow;
        double passes_a = ceil(o->a_bits / d->bits), passes_b = ceil(o->b_bits / d->bits);
        double sr = flow == OS ? m : k, sc = flow == IS ? m : n, t = flow == OS ? k : flow == WS ? m : n;
        double fr = ceil(sr / d->rows), fc = ceil(sc / d->columns), tiles = 1, split = 1, units;
        passes = passes_a * passes_b;
        if (flow != OS && fr > 1)
            tiles = min2(max2(ceil(t * min2(sc, d->columns) * (d->accumulator / 8) / f->half_ofmap), 1), t);
        units = flow == OS ? products * fr * fc : products * fc;
        folds = ceil(units / d->arrays);
        if (flow != OS) {
            split = min2(max2(floor(d->arrays / units), 1), t);
            folds *= fr * tiles;
        }
        length = ceil(t / (tiles * split)) * passes;
        double edge = (flow == OS ? 0 : d->rows) + d->rows + d->columns - 2;
        double cycles = d->overlap ? folds * max2(length, d->rows) + edge - 1 : folds * (length + edge) - 1;
        compute = cycles * f->cycle_s;
        if (flow == WS && d->overlap && o->weight == 2) tile_bytes = products * fr * fc * d->rows * d->columns * o->b_bits / 8;
        double a = o->a_bytes / products, b = o->b_bytes / products;
        double slice = flow == IS ? a * min2(1, d->columns / m) : b * min2(1, d->columns / n);
        if (flow == IS) {
            loads_a = slice < f->half_ifmap ? 1 : tiles;
            loads_b = b < f->half_filter ? 1 : fc;
        } else {
            loads_a = a < f->half_ifmap ? 1 : fc;
            loads_b = slice < f->half_filter ? 1 : flow == OS ? fr : tiles;
        }
        double i = flow == IS ? m * k * tiles : fc * m * k;
        double w = flow == OS ? fr * k * n : flow == WS ? k * n * tiles : fc * k * n;
        double out = flow == OS ? m * n : fr * m * n * passes;
        ifmap_bytes = products * i * o->a_bits / 8 * passes_b;
        filter_bytes = products * w * o->b_bits / 8 * passes_a;
        ofmap_bytes = products * (2 * out - m * n) * (d->accumulator / 8);
        macs = products * m * k * n;
        if (o->accumulator_bits > d->accumulator) return 3;
    } else {
        ifmap_bytes = o->a_bytes + o->b_bytes + o->out_bytes;
    }
    double a = 0, b = 0, out = 0;
    if (o->a_external || o->weight == 1 || o->a_bytes > f->half_ifmap) a = o->a_bytes * loads_a;
    if (o->weight == 2) b = max2(tile_bytes, o->b_bytes) * loads_b;
    else if (o->b_external || o->b_bytes > f->half_ifmap) b = o->b_bytes * loads_b;
    if (o->out_external || o->out_bytes > f->half_ifmap) out = o->out_bytes;
    double moved = a + b + out, memory = moved * f->memory_s;
    if (k > 0 && d->dataflow != OS)
        shift = folds * (d->rows - (d->overlap && compute >= memory ? min2(length, d->rows) : 0)) * f->cycle_s;
    s->latency += o->count * max2(max2(compute, memory), vector);
    s->compute += o->count * compute;
    s->memory += o->count * memory;
    s->vector += o->count * vector;
    s->shift += o->count * shift;
    s->macs += o->count * macs;
    s->sram += o->count * (ifmap_bytes + filter_bytes + ofmap_bytes);
    s->dram += o->count * moved;
    s->mac_j += o->count * (macs * passes * f->mac_j);
    s->sram_j += o->count * (k > 0 ? (ifmap_bytes + a) * f->ifmap_j + (filter_bytes + b) * f->filter_j
                                         + (ofmap_bytes + out) * f->ofmap_j
                                   : (ifmap_bytes + moved) * f->ifmap_j);
    s->vector_j += o->count * (o->vector_ops * f->vector_j);
    s->dram_j += o->count * (moved * f->memory_j);
    return 0;
}

void drive(const Design *designs, const Budget *budgets, size_t n, const Operator *operators, size_t l, Sum *sums) {
    for (size_t i = 0; i < n; i++) {
        Sum sum = {0};
        for (size_t j = 0; j < l; j++)
            if (add(&designs[i], &operators[j], &budgets[i], &sum)) break;
        sums[i] = sum;
    }
}
