/* Exact contributions (Shapley values) of each feature to the score of a row; part of kernel.c.
 *
 * The game, of one tree (TreeSHAP, Lundberg et al. 2020, path-dependent): with the features in S
 * known, v(S) = sum over leaves of value * product over the features on its path of (1 if the row
 * goes that way, else 0) if known, else the share z of training rows that went that way.
 *
 * The method: a Shapley value is the integral over t in [0, 1] of the change that the feature
 * makes when every other one is known with chance t (Owen 1972, the multilinear extension):
 *
 *     phi_j = int_0^1 sum over leaves of  w * b_j * prod over k != j of (1 + t b_k)  dt,
 *
 * w = value * share of rows in the leaf, b = 1 / z - 1 if the row goes that way ("gain") and -1 if
 * not. That is a polynomial in t of degree (features on the path) - 1, so a Gauss-Legendre rule
 * with half as many points is exact. Factors 1 + t b are never below 1 where they are divided by:
 * z never exceeds 1 there, and where b is -1 nothing below can change it.
 *
 * At a node, `down` is the product of the factors above it and `up` the sum over its leaves of w
 * times the factors below it. Then a node adds down * (b_left up_left + b_right up_right) to its
 * feature. If the feature has split above (gain b0), its factor so far is taken out again: b
 * becomes b - b0 and both products are divided by 1 + t b0.
 */

#define MOST_ROWS 8 /* rows that go through a bundle of trees while it is in the cache */
#define LANES 8     /* doubles of partial sums a feature */

typedef int64_t aliased __attribute__((may_alias));

typedef struct {
    double *views, *sums;             /* of each row */
    int64_t *left;                    /* -1 goes left, 0 goes right, 1 neither: never comes here */
    double *gains;                    /* of the edges, for this row */
    double *pair_sum, *pair_gain;     /* of nodes with two leaves: w + w, b w + b w */
    double *at, *down, *up;           /* of this bundle */
    double *mixed_down, *mixed_up;    /* the same for each cell of the grid */
    double *weights;                  /* of each tree: of its cells, ... */
    int32_t *cells, *used;            /* ... which they are, and how many */
} workspace;

INLINE int64_t choose(int64_t mask, int64_t yes, int64_t no) { return (yes & mask) | (no & ~mask); }

/* Decide the nodes on category sets, then those whose feature has split above. */
INLINE void decide_rest(const model *m, const bundle *b, const double *restrict views,
                        int32_t sets, int32_t repeats, workspace *w) {
    const int64_t stride = b->stride;
    aliased *const gains = (aliased *)w->gains;
    const aliased *const if_left = (const aliased *)(m->gain + 2 * (int64_t)b->first);
    const aliased *const if_right = if_left + stride;
    const double minus_one = -1.0;
    const int64_t cold = *(const aliased *)&minus_one;
    for (const category_set *s = m->sets + b->first_set, *end = s + sets; s < end; s++) {
        uint64_t code;
        memcpy(&code, views + s->column, sizeof code);
        const int64_t i = s->node, left = -(int64_t)in_set(m->words + s->word, s->words, code);
        w->left[i] = left;
        gains[i] = choose(left, if_left[i], cold);
        gains[stride + i] = choose(~left, if_right[i], cold);
    }
    aliased *kept = gains + 2 * stride;
    for (const repeat *r = m->repeats + b->first_repeat, *end = r + repeats; r < end; r++) {
        /* where the row cannot come by this feature, both children keep the factor they have */
        const int64_t i = r->node, comes = -(int64_t)(w->left[r->above] == r->side);
        const int64_t before = *(const aliased *)&r->gain;
        kept[0] = choose(comes, gains[i], before);
        kept[1] = choose(comes, gains[stride + i], before);
        w->left[i] = choose(comes, w->left[i], 1);
        w->gains[i] = ((const double *)kept)[0] - r->gain;
        w->gains[stride + i] = ((const double *)kept)[1] - r->gain;
        kept += 2;
    }
}

/* Add up the weights of the grid's points in each cell of a tree, leaving out cells of none;
 * `k` is its number in the bundle. */
INLINE void weigh_cells(const tree *t, const grid_plan *g, const double *weights, int64_t k,
                        workspace *w) {
    const int32_t *const cell_of = g->cell_of + (int64_t)t->number * g->points;
    double *const sums = w->weights + k * g->points;
    int32_t *const cells = w->cells + k * g->points, all = g->cells[t->number];
    int used = 0;
    for (int32_t c = 0; c < all; c++) sums[c] = 0.0;
    for (int32_t p = 0; p < g->points; p++) sums[cell_of[p]] += weights[p];
    for (int32_t c = 0; c < all; c++) {
        if (sums[c] == 0.0 && (used || c + 1 < all)) continue; /* one must stay */
        sums[used] = sums[c];
        cells[used++] = c;
    }
    w->used[k] = used;
}

/* Gains of a node in the cells of a grid: 0, 1 of its left and right edge, 2, 3 the same kept. */
typedef struct {
    const double *line;
    int32_t mask; /* all bits, or none where all cells share the gain of the row's own `edge` */
} cell_gains;

INLINE cell_gains gains_of(const model *m, const bundle *b, const tree *t, const grid_plan *g,
                           const workspace *w, int64_t node, int which, int64_t edge) {
    const int64_t rank = m->varying[b->first + node], first = g->first_gain[t->number];
    if (rank < 0) return (cell_gains){w->gains + edge, 0};
    return (cell_gains){g->gains + first + (rank * 4 + which) * g->cells[t->number], -1};
}

typedef struct {
    int64_t count;
    const double *weights, *totals; /* of the grid's points, a line a row; their sums */
} block;

/* Vectors in aligned memory; masks, and vectors anywhere. */
#define VECTORS(wide, type, name, start)                                                           \
    typedef type name##_##wide __attribute__((vector_size(8 * wide), aligned(start), may_alias))
VECTORS(2, double, vector, 16);
VECTORS(2, double, loose, 8);
VECTORS(2, int64_t, masks, 8);
VECTORS(4, double, vector, 32);
VECTORS(4, double, loose, 8);
VECTORS(4, int64_t, masks, 8);
VECTORS(8, double, vector, 64);
VECTORS(8, double, loose, 8);
VECTORS(8, int64_t, masks, 8);

#define PASTE(name, wide) name##_##wide
#define NAMED(name, wide) PASTE(name, wide)
#define NAME(name) NAMED(name, WIDE)
#define VECTOR NAME(vector)
#define WIDE 2
#include "kernel_walk.c"
#undef WIDE
#define WIDE 4
#include "kernel_walk.c"
#undef WIDE
#define WIDE 8
#include "kernel_walk.c"
#undef WIDE

/* Carve the next `count` doubles from a buffer, whole cache lines. */
static double *carve(double **free_space, int64_t count) {
    double *const taken = *free_space;
    *free_space += (count + 7) / 8 * 8;
    return taken;
}

/* Lay out a workspace from `base` on; returns its size in bytes. */
static size_t lay_out(workspace *w, double *base, const model *m, int64_t grid_points) {
    double *end = base;
    w->views = carve(&end, MOST_ROWS * VIEWS(m));
    w->sums = carve(&end, MOST_ROWS * LANES * m->features);
    w->left = (int64_t *)carve(&end, m->most_stride);
    w->gains = carve(&end, m->most_gains);
    w->pair_sum = carve(&end, m->most_pairs);
    w->pair_gain = carve(&end, m->most_pairs);
    w->at = carve(&end, 2 * m->most_points);
    w->down = carve(&end, m->most_nodes);
    w->up = carve(&end, m->most_slots);
    w->mixed_down = carve(&end, m->most_mixed * grid_points);
    w->mixed_up = carve(&end, m->most_mixed * grid_points);
    w->weights = carve(&end, m->most_trees * grid_points);
    w->cells = (int32_t *)carve(&end, m->most_trees * grid_points);
    w->used = (int32_t *)carve(&end, m->most_trees);
    return sizeof(double) * (size_t)(end - base);
}

INLINE void walk_bundle(const model *m, const bundle *b, const grid_plan *g, const block *rows,
                        workspace *w, const int lanes) {
    if (lanes == 8 && b->points == 8) walk_bundle_8(m, b, g, rows, w, 1);
    else if (lanes == 8 && b->points == 16) walk_bundle_8(m, b, g, rows, w, 2);
    else if (lanes == 8 && b->points > 16) walk_bundle_8(m, b, g, rows, w, b->points / 8);
    else if (lanes >= 4 && b->points == 4) walk_bundle_4(m, b, g, rows, w, 1);
    else if (lanes == 4 && b->points == 8) walk_bundle_4(m, b, g, rows, w, 2);
    else if (lanes == 4) walk_bundle_4(m, b, g, rows, w, b->points / 4);
    else if (b->points == 4) walk_bundle_2(m, b, g, rows, w, 2);
    else if (b->points == 8) walk_bundle_2(m, b, g, rows, w, 4);
    else walk_bundle_2(m, b, g, rows, w, b->points / 2);
}

INLINE void fetch(const void *from, int64_t bytes) {
    for (const char *line = from, *end = line + bytes; line < end; line += 64)
        __builtin_prefetch(line);
}

/* Have a bundle's arrays on their way while another one is worked at: between two requests the
 * model falls out of the near caches. */
INLINE void fetch_bundle(const model *m, const bundle *b) {
    fetch(m->threshold + b->first, 8 * b->stride);
    fetch(m->column + b->first, 4 * b->stride);
    fetch(m->gain + 2 * (int64_t)b->first, 16 * (int64_t)b->stride);
    fetch(m->links + b->first, (int64_t)sizeof(link) * b->nodes);
    fetch(m->leaf_weight + b->first_leaf, 8 * (b->nodes + b->trees));
    fetch(m->sets + b->first_set, (int64_t)sizeof(category_set) * b->sets);
    fetch(m->ratios + b->first_ratio, 8 * (int64_t)b->points * (b->repeats + 1));
}

/* Each bundle takes a block of rows while it is in the cache; what a row's answer is made of, and
 * in which order, does not depend on the block. */
INLINE int explain(const model *m, const grid_plan *grid, const double *rows,
                   const double *weights, int64_t n, double *reasons, const int lanes) {
    const int64_t f = m->features;
    workspace w;
    const int64_t points = grid ? grid->points : 0;
    double *const memory = aligned_alloc(64, lay_out(&w, NULL, m, points));
    if (!memory) return 1;
    lay_out(&w, memory, m, points);
    for (int64_t first = 0; first < n; first += MOST_ROWS) {
        double totals[MOST_ROWS];
        const int64_t count = n - first < MOST_ROWS ? n - first : MOST_ROWS;
        const block now = {count, weights + first * points, totals};
        for (int64_t k = 0; k < count; k++) {
            view_row(m, rows + (first + k) * f, w.views + k * VIEWS(m));
            totals[k] = grid ? 0.0 : 1.0;
            for (int64_t p = 0; p < points; p++) totals[k] += now.weights[k * points + p];
        }
        memset(w.sums, 0, sizeof(double) * (size_t)(count * LANES * f));
        for (const bundle *b = m->reason_bundles, *end = b + m->bundles; b < end; b++) {
            if (b + 1 < end) fetch_bundle(m, b + 1);
            walk_bundle(m, b, grid, &now, &w, lanes);
        }
        for (int64_t k = 0; k < count; k++) {
            double *const answer = reasons + (first + k) * (f + 1);
            for (int64_t j = 0; j < f; j++) {
                const double *const s = w.sums + (k * f + j) * LANES;
                answer[j] = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
            }
            answer[f] = m->expected * totals[k];
        }
    }
    free(memory);
    return 0;
}

#define EXPLAIN(lanes)                                                                             \
    static int explain_##lanes(const model *m, const grid_plan *grid, const double *rows,          \
                               const double *weights, int64_t n, double *reasons) {                \
        return explain(m, grid, rows, weights, n, reasons, lanes);                                 \
    }

EXPLAIN(2)
#if defined(__x86_64__)
__attribute__((target("avx2"))) EXPLAIN(4)
__attribute__((target("avx512f"))) EXPLAIN(8)

/* How many doubles a register of this processor holds, if the system saves them all. Asked of the
 * processor itself: not every compiler's __builtin_cpu_supports works in a shared library. */
int homeward_lanes(void) {
    unsigned a, b, c, d, saved, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return 2;
    __asm__("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 2;
    if ((saved & 0xe6) == 0xe6 && b & bit_AVX512F) return 8;
    return (saved & 0x06) == 0x06 && b & bit_AVX2 ? 4 : 2;
}
#else
int homeward_lanes(void) { return 2; }
#define explain_4 explain_2
#define explain_8 explain_2
#endif

/* Contributions of every feature, then the expected score, of each row; with a grid, their sum
 * over its points by `weights` (n, points). */
int homeward_reasons(const model *m, const grid_plan *grid, const double *rows,
                     const double *weights, int64_t n, double *reasons) {
    if (m->lanes == 8) return explain_8(m, grid, rows, weights, n, reasons);
    if (m->lanes == 4) return explain_4(m, grid, rows, weights, n, reasons);
    return explain_2(m, grid, rows, weights, n, reasons);
}
