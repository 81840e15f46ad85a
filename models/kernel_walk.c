/* One bundle of trees, all rows of a block: the products down and the sums up; part of kernel.c.
 *
 * Included once for each width: VECTOR is the type of WIDE doubles, NAME(x) makes a name of it.
 * `parts` vectors hold all points of the rule; callers give a constant, so that loops unroll. The
 * width changes no sum: point p adds to partial sum p % LANES of a feature, points in their order.
 */

/* Decide the first `nodes` nodes of a bundle for one row: the gain of every edge.
 *
 * Masks instead of branches: which way a row goes is what a processor cannot foresee. */
INLINE void NAME(decide)(const model *m, const bundle *b, const double *restrict views,
                         int32_t nodes, int32_t sets, int32_t repeats, workspace *w) {
    const double *const threshold = m->threshold + b->first;
    const double *const if_left = m->gain + 2 * (int64_t)b->first;
    const double *const if_right = if_left + b->stride;
    const uint32_t *const column = m->column + b->first;
    const NAME(masks) cold = (NAME(masks))((NAME(loose)){0} - 1.0);
    for (int64_t i = 0; i < nodes; i += WIDE) {
        NAME(loose) value;
        for (int k = 0; k < WIDE; k++) value[k] = views[column[i + k]];
        const NAME(masks) left = (NAME(masks))(value <= *(const NAME(loose) *)(threshold + i));
        *(NAME(masks) *)(w->left + i) = left;
        *(NAME(masks) *)(w->gains + i) =
            (*(const NAME(masks) *)(if_left + i) & left) | (cold & ~left);
        *(NAME(masks) *)(w->gains + b->stride + i) =
            (*(const NAME(masks) *)(if_right + i) & ~left) | (cold & left);
    }
    decide_rest(m, b, views, sets, repeats, w);
}

/* What all rows share: the rule and the leaves. */
INLINE void NAME(open_bundle)(const model *m, const bundle *b, workspace *w, const int parts) {
    VECTOR *const at = (VECTOR *)w->at, *up = (VECTOR *)w->up + (int64_t)b->nodes * parts;
    memcpy(at, m->points + b->first_point, sizeof(VECTOR) * 2 * (size_t)parts);
    for (int32_t k = 0; k < b->slots; k++)
        for (int h = 0; h < parts; h++) *up++ = 0.0 * at[h] + m->leaf_weight[b->first_leaf + k];
}

/* Nodes of tree `k` above or at a split on a varying column, once for each cell of the grid. Their
 * other children take what all cells send down together: below, all is linear in it. */
INLINE void NAME(mixed_down)(const model *m, const bundle *b, const grid_plan *g, workspace *w,
                             const int32_t k, const int parts) {
    const tree *const t = m->reason_trees + b->first_tree + k;
    const link *const links = m->links + b->first;
    const VECTOR *const at = (const VECTOR *)w->at, *const weights = at + parts;
    const int64_t size = (int64_t)parts * WIDE, leaves = b->nodes * size;
    const int64_t end = t->mixed_to * size;
    const int32_t cells = w->used[k], *const cell = w->cells + k * g->points;
    double *const downs = w->mixed_down + t->mixed_from * size * g->points;
    for (int c = 0; c < cells; c++)
        for (int h = 0; h < parts; h++)
            ((VECTOR *)downs)[c * parts + h] = w->weights[k * g->points + c] * weights[h];
    for (int64_t i = t->mixed_from; i < t->mixed_to; i++) {
        const VECTOR *const from = (const VECTOR *)(downs + (i - t->mixed_from) * size * cells);
        for (int side = 0; side < 2; side++) {
            const int64_t child = side ? links[i].right : links[i].left;
            if (child >= leaves) continue;
            const int alone = child < end; /* a mixed node too */
            const link *const to = links + child / size;
            const VECTOR *const ratio = (const VECTOR *)(m->ratios + b->first_ratio + to->ratio);
            VECTOR *into = (VECTOR *)(alone ? downs + (child - t->mixed_from * size) * cells
                                            : w->down + child);
            if (!alone)
                for (int h = 0; h < parts; h++) into[h] = 0.0 * at[h];
            const cell_gains kept = gains_of(m, b, t, g, w, i, 2 + side, to->edge);
            for (int c = 0; c < cells; c++) {
                const double gain = kept.line[cell[c] & kept.mask];
                for (int h = 0; h < parts; h++) {
                    const VECTOR x = from[c * parts + h], y = (x + gain * (at[h] * x)) * ratio[h];
                    if (alone) into[h] = y;
                    else into[h] += y;
                }
                if (alone) into += parts;
            }
        }
    }
}

/* The same nodes on the way up, when all below has come up. */
INLINE void NAME(mixed_up)(const model *m, const bundle *b, const grid_plan *g, workspace *w,
                           double *sums, const int32_t k, const int parts) {
    const tree *const t = m->reason_trees + b->first_tree + k;
    const VECTOR *const at = (const VECTOR *)w->at;
    const int64_t size = (int64_t)parts * WIDE, begin = t->mixed_from * size;
    const int64_t end = t->mixed_to * size;
    const int32_t cells = w->used[k], *const cell = w->cells + k * g->points;
    double *const ups = w->mixed_up + begin * g->points;
    const double *const downs = w->mixed_down + begin * g->points;
    for (int64_t i = t->mixed_to - 1; i >= t->mixed_from; i--) {
        const link n = m->links[b->first + i];
        const VECTOR *const ratio = (const VECTOR *)(m->ratios + b->first_ratio + n.ratio);
        const int own[2] = {n.left < end, n.right < end};
        const double *left = own[0] ? ups + (n.left - begin) * cells : w->up + n.left;
        const double *right = own[1] ? ups + (n.right - begin) * cells : w->up + n.right;
        const cell_gains lefts = gains_of(m, b, t, g, w, i, 0, i);
        const cell_gains rights = gains_of(m, b, t, g, w, i, 1, b->stride + i);
        for (int c = 0; c < cells; c++) {
            const int64_t here = ((i - t->mixed_from) * cells + c) * size;
            const VECTOR *const x = (const VECTOR *)left, *const y = (const VECTOR *)right;
            const VECTOR *const down = (const VECTOR *)(downs + here);
            const double gain_left = lefts.line[cell[c] & lefts.mask];
            const double gain_right = rights.line[cell[c] & rights.mask];
            for (int h = 0; h < parts; h++) {
                const VECTOR change = ratio[h] * (gain_left * x[h] + gain_right * y[h]);
                ((VECTOR *)(ups + here))[h] = x[h] + y[h] + at[h] * change;
                ((VECTOR *)(sums + n.feature))[h % (LANES / WIDE)] += down[h] * change;
            }
            left += own[0] ? size : 0, right += own[1] ? size : 0;
        }
    }
}

/* Nodes that a grid does not touch, for one row. */
INLINE void NAME(plain)(const model *m, const bundle *b, workspace *w, double *restrict sums,
                        const int parts) {
    const link *restrict const links = m->links + b->first;
    const double *restrict const gains = w->gains;
    const double *restrict const ratios = m->ratios + b->first_ratio;
    const VECTOR *restrict const points = (const VECTOR *)w->at;
    double *restrict const down = w->down, *restrict const up = w->up;
    const VECTOR point = points[0];
    const int64_t size = (int64_t)parts * WIDE, stride = b->stride, pairs = b->nodes - b->inner;
    const double *const left_leaf = m->leaf_weight + b->first_leaf + b->slots;
    const double *const right_leaf = left_leaf + pairs;
    const double *const gain_left = gains + b->inner, *const gain_right = gain_left + stride;
#define AT(h) (parts == 1 ? point : points[h])
#define SUM(i, h) ((VECTOR *)(sums + links[i].feature))[(h) % (LANES / WIDE)]

    for (int64_t k = 0; k < pairs; k++) {
        w->pair_sum[k] = left_leaf[k] + right_leaf[k];
        w->pair_gain[k] = gain_left[k] * left_leaf[k] + gain_right[k] * right_leaf[k];
    }
    for (int64_t i = b->heads; i < b->inner; i++) {
        const double gain = gains[links[i].edge];
        const VECTOR *const from = (const VECTOR *)(down + links[i].parent);
        const VECTOR *const ratio = (const VECTOR *)(ratios + links[i].ratio);
        for (int h = 0; h < parts; h++)
            ((VECTOR *)(down + i * size))[h] = (from[h] + gain * (AT(h) * from[h])) * ratio[h];
    }
    for (int64_t i = b->pair_heads; i < b->nodes; i++) {
        const double gain = gains[links[i].edge];
        const VECTOR *const from = (const VECTOR *)(down + links[i].parent);
        const VECTOR *const ratio = (const VECTOR *)(ratios + links[i].ratio);
        const double both = w->pair_sum[i - b->inner], gained = w->pair_gain[i - b->inner];
        for (int h = 0; h < parts; h++) {
            const VECTOR change = ratio[h] * gained;
            ((VECTOR *)(up + i * size))[h] = both + AT(h) * change;
            SUM(i, h) += (from[h] + gain * (AT(h) * from[h])) * ratio[h] * change;
        }
    }
    for (int64_t i = b->inner; i < b->pair_heads; i++) {
        const VECTOR *const from = (const VECTOR *)(down + i * size);
        const VECTOR *const ratio = (const VECTOR *)(ratios + links[i].ratio);
        const double both = w->pair_sum[i - b->inner], gained = w->pair_gain[i - b->inner];
        for (int h = 0; h < parts; h++) {
            const VECTOR change = ratio[h] * gained;
            ((VECTOR *)(up + i * size))[h] = both + AT(h) * change;
            SUM(i, h) += from[h] * change;
        }
    }
    for (int64_t i = b->inner - 1; i >= b->mixed; i--) {
        const VECTOR *const left = (const VECTOR *)(up + links[i].left);
        const VECTOR *const right = (const VECTOR *)(up + links[i].right);
        const VECTOR *const from = (const VECTOR *)(down + i * size);
        const VECTOR *const ratio = (const VECTOR *)(ratios + links[i].ratio);
        for (int h = 0; h < parts; h++) {
            const VECTOR x = left[h], y = right[h];
            const VECTOR change = ratio[h] * (gains[i] * x + gains[stride + i] * y);
            ((VECTOR *)(up + i * size))[h] = x + y + AT(h) * change;
            SUM(i, h) += from[h] * change;
        }
    }
#undef AT
#undef SUM
}

/* All of it, row by row: a tree whose root no grid touches starts with the weights of the rule. */
INLINE void NAME(walk_bundle)(const model *m, const bundle *b, const grid_plan *g,
                              const block *rows, workspace *w, const int parts) {
    const VECTOR *const weights = (const VECTOR *)w->at + parts;
    NAME(open_bundle)(m, b, w, parts);
    for (int64_t r = 0; r < rows->count; r++) {
        double *const sums = w->sums + r * LANES * m->features;
        const tree *const trees = m->reason_trees + b->first_tree;
        NAME(decide)(m, b, w->views + r * VIEWS(m), b->nodes, b->sets, b->repeats, w);
        for (int32_t k = 0; k < b->trees; k++) {
            if (trees[k].varying) {
                weigh_cells(trees + k, g, rows->weights + r * g->points, k, w);
                NAME(mixed_down)(m, b, g, w, k, parts);
                continue;
            }
            for (int h = 0; h < parts; h++)
                ((VECTOR *)w->down)[trees[k].root * parts + h] = rows->totals[r] * weights[h];
        }
        NAME(plain)(m, b, w, sums, parts);
        for (int32_t k = 0; k < b->trees; k++)
            if (trees[k].varying) NAME(mixed_up)(m, b, g, w, sums, k, parts);
    }
}
