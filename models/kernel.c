/* Scores and exact reasons of gradient-boosted trees, on arrays that models/kernel.py lays out.
 *
 * Plain C11 and the vector types of GCC and Clang. Every answer is the same bit for bit on every
 * machine: no fused multiply-add, no reordered sums; wider registers only do more at once.
 * Nothing here allocates per row, keeps state between calls, or knows about Python.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define VERSION 4 /* raised with every change of a structure or of a function's parameters */
#define INLINE static inline __attribute__((always_inline))

/* ---- the model, as models/kernel.py passes it ------------------------------------------------ */

typedef struct { /* a node or leaf of a tree to be walked; siblings are neighbours */
    double threshold;  /* or, for a category set: its first word and its number of words */
    uint32_t column;   /* into a row's views; the highest bit says that it is a category */
    uint32_t left;     /* the right child is the next one; a leaf is its own left child */
} score_node;

typedef struct { /* trees explained side by side; nodes are in the order of reason_layout.py */
    int32_t first, stride;             /* of its nodes; stride is padded to a multiple of 8 */
    int32_t mixed, heads, inner, pair_heads, nodes; /* ends of the five groups of nodes */
    int32_t first_leaf, slots;         /* leaves of pairs come after the others */
    int32_t first_set, sets, mixed_sets;
    int32_t first_repeat, repeats, mixed_repeats;
    int32_t first_ratio;
    int32_t first_tree, trees;
    int32_t points, first_point;       /* of the quadrature rule */
} bundle;

typedef struct {
    int32_t number;                    /* in the order of the model */
    int32_t root, mixed_from, mixed_to; /* nodes of the bundle */
    int32_t first_varying, varying;    /* nodes that split on a varying column */
} tree;

typedef struct { /* offsets are in doubles, ready to be added */
    uint32_t edge, parent, left, right, feature, ratio;
} link;

typedef struct {
    int32_t node;
    uint32_t column, word, words;
} category_set;

typedef struct { /* a node whose feature has split above it, on the same path */
    int32_t node, above;
    int64_t side;      /* which child of `above` leads here: -1 left, 0 right */
    double gain;       /* of that child's edge */
} repeat;

typedef struct {
    int32_t lanes; /* of the registers to use: at most what homeward_lanes returns */
    int32_t trees, features, codes, bundles;
    int32_t most_trees, most_gains, most_stride, most_nodes; /* of one bundle */
    int32_t most_slots, most_pairs, most_mixed, most_points;
    double expected;   /* mean score over the training rows, by the counts of the nodes */
    const score_node *score_nodes;
    const double *score_values;
    const uint32_t *roots, *words;
    const int32_t *code_features;
    const bundle *reason_bundles;
    const tree *reason_trees;
    const double *threshold;
    const uint32_t *column;
    const double *gain; /* of the two edges of a node, left ones first: 1 / zero fraction - 1 */
    const link *links;
    const int32_t *varying; /* rank of a node among the varying nodes of its tree, or -1 */
    const double *leaf_weight;
    const double *ratios; /* of each bundle: ones, then 1 / (1 + t b0) of each repeat; aligned */
    const category_set *sets;
    const repeat *repeats;
    const double *points; /* of each rule: abscissae, then weights */
} model;

typedef struct { /* what a grid of values in the varying columns does to each tree */
    int32_t points, columns;
    const int32_t *varying;   /* (columns,) */
    const double *values;     /* (points, columns) */
    int32_t *cells;           /* (trees,) how many different sets of decisions */
    int32_t *cell_of;         /* (trees, points) */
    int32_t *sample;          /* (trees, points) a point of each cell */
    int64_t *first_gain;      /* (trees,) */
    double *gains;            /* (varying nodes, 4, cells or, while planning, points): gain left,
                               * gain right, kept left, kept right */
    score_node *score_nodes;  /* each tree once a cell, without its nodes on varying columns */
    double *score_values;
    uint32_t *roots;          /* (cells of all trees,) */
    int64_t walks;            /* how many roots */
} grid_plan;

/* ---- a row as the nodes see it --------------------------------------------------------------- */

/* Five views of each column turn every rule about missing values into `value <= threshold`:
 * missing as 0; missing left, missing right; zero and missing left, zero and missing right.
 * Then a constant 0 for what is no decision, then the categories as integers. */
#define VIEWS(m) (6 * (int64_t)(m)->features + 1)

INLINE double without_tiny(double value) {
    /* LightGBM drops values this small when it reads a row */
    return fabs(value) <= (double)1e-35f ? 0.0 : value;
}

INLINE uint64_t category(double value) {
    /* truncated towards zero; what is no category is in no set */
    return value > -1.0 && value < 2147483648.0 ? (uint64_t)value : UINT32_MAX;
}

INLINE void set_views(const model *m, double *restrict views, int64_t column, double value) {
    const int64_t f = m->features;
    const double x = without_tiny(value), known = isnan(x) ? 0.0 : x;
    views[column] = known;
    views[f + column] = isnan(x) ? -INFINITY : x;
    views[2 * f + column] = x;
    views[3 * f + column] = known == 0.0 ? -INFINITY : known;
    views[4 * f + column] = known == 0.0 ? NAN : known;
}

INLINE void set_code(const model *m, double *views, int64_t column) {
    const uint64_t code = category(views[2 * (int64_t)m->features + column]);
    memcpy(views + 5 * (int64_t)m->features + 1 + column, &code, sizeof code);
}

INLINE void view_row(const model *m, const double *restrict row, double *restrict views) {
    for (int64_t j = 0; j < m->features; j++) set_views(m, views, j, row[j]);
    views[5 * (int64_t)m->features] = 0.0;
    for (int32_t k = 0; k < m->codes; k++) set_code(m, views, m->code_features[k]);
}

INLINE void view_grid(const model *m, const grid_plan *grid, int32_t point, double *views) {
    for (int32_t k = 0; k < grid->columns; k++) {
        set_views(m, views, grid->varying[k], grid->values[point * grid->columns + k]);
        set_code(m, views, grid->varying[k]);
    }
}

INLINE uint32_t in_set(const uint32_t *words, uint32_t count, uint64_t code) {
    /* each set ends with a word of zeros, where all other codes are looked up */
    const uint32_t word = (uint32_t)(code >> 5);
    return words[word < count ? word : count] >> (code & 31) & 1;
}

/* ---- scores ---------------------------------------------------------------------------------- */

#define AT_ONCE 6 /* walks side by side, so that one decides while another waits for memory */
#define IS_SET 0x80000000u

INLINE uint32_t step(const model *m, const score_node *nodes, const double *views, uint32_t at) {
    const score_node *node = nodes + at;
    uint32_t goes_left;
    if (node->column & IS_SET) {
        uint32_t set[2];
        uint64_t code;
        memcpy(set, &node->threshold, sizeof set);
        memcpy(&code, views + (node->column & ~IS_SET), sizeof code);
        goes_left = in_set(m->words + set[0], set[1], code);
    } else {
        goes_left = views[node->column] <= node->threshold;
    }
    return node->left + 1 - goes_left;
}

/* Walk `count` trees to their leaves and take the values there, AT_ONCE side by side. */
INLINE void walk(const model *m, const score_node *nodes, const double *leaves,
                 const uint32_t *roots, int64_t count, const double *views, double *values) {
    for (int64_t t = 0; t < count; t += AT_ONCE) {
        const int64_t now = count - t < AT_ONCE ? count - t : AT_ONCE;
        uint32_t at[AT_ONCE], moved;
        for (int k = 0; k < AT_ONCE; k++) at[k] = roots[t + (k < now ? k : 0)];
        do {
            moved = 0;
            for (int k = 0; k < AT_ONCE; k++) {
                const uint32_t next = step(m, nodes, views, at[k]);
                moved |= next ^ at[k];
                at[k] = next;
            }
        } while (moved);
        for (int k = 0; k < now; k++) values[t + k] = leaves[at[k]];
    }
}

/* Sum the leaves of each row in the order of the trees, as LightGBM does. Returns 0, or 1 if there
 * is no memory, as do all functions below. */
int homeward_scores(const model *m, const double *rows, int64_t n, double *scores) {
    double *const views = malloc(sizeof(double) * (size_t)(VIEWS(m) + m->trees));
    if (!views) return 1;
    double *const values = views + VIEWS(m);
    for (int64_t i = 0; i < n; i++) {
        double sum = 0.0;
        view_row(m, rows + i * m->features, views);
        walk(m, m->score_nodes, m->score_values, m->roots, m->trees, views, values);
        for (int32_t t = 0; t < m->trees; t++) sum += values[t];
        scores[i] = sum;
    }
    free(views);
    return 0;
}

/* Score each row at each point of the grid; a tree is walked once for each of its cells. */
int homeward_scores_on_grid(const model *m, const grid_plan *grid, const double *rows, int64_t n,
                            double *scores) {
    const int64_t points = grid->points;
    double *const views = malloc(sizeof(double) * (size_t)(VIEWS(m) + grid->walks));
    if (!views) return 1;
    double *const values = views + VIEWS(m);
    for (int64_t i = 0; i < n; i++) {
        double *const row_scores = scores + i * points;
        const double *value = values;
        const int32_t *cell = grid->cell_of;
        view_row(m, rows + i * m->features, views);
        walk(m, grid->score_nodes, grid->score_values, grid->roots, grid->walks, views, values);
        for (int64_t p = 0; p < points; p++) row_scores[p] = 0.0;
        for (int32_t t = 0; t < m->trees; value += grid->cells[t++], cell += points)
            for (int64_t p = 0; p < points; p++) row_scores[p] += value[cell[p]];
    }
    free(views);
    return 0;
}

#include "kernel_reasons.c"
#include "kernel_grid.c"
#include "kernel_forecast.c"

int homeward_kernel_version(void) { return VERSION; }
