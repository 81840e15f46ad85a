/* Which points of a grid the trees tell apart; part of kernel.c.
 *
 * All that a tree sees of a point is how its nodes on varying columns decide. Points that they
 * decide alike are one cell, and are scored and explained as one.
 */

/* Put point `p` of a grid, just decided, into a cell of a tree: that of an earlier point that all
 * its nodes on varying columns decide alike, or one of its own. */
static void find_cell(const model *m, const bundle *b, const tree *t, grid_plan *g,
                      const workspace *w, int32_t p) {
    const int64_t points = g->points, number = t->number;
    const link *const links = m->links + b->first;
    double *const gains = g->gains + (int64_t)t->first_varying * 4 * points;
    int32_t *const cells = g->cells + number, cell = 0;
    /* what would be a cell of its own is written next to the cells there are */
    for (int64_t v = t->mixed_from; v < t->mixed_to; v++) {
        const int64_t rank = m->varying[b->first + v], repeat_at = links[v].ratio / b->points;
        if (rank < 0) continue;
        double *const own = gains + rank * 4 * points + *cells;
        const double *const kept = w->gains + 2 * b->stride + 2 * (repeat_at - 1);
        own[0] = w->gains[v], own[points] = w->gains[b->stride + v];
        own[2 * points] = repeat_at ? kept[0] : own[0];
        own[3 * points] = repeat_at ? kept[1] : own[points];
    }
    for (; cell < *cells; cell++) {
        int32_t k = 0;
        while (k < 4 * t->varying && gains[k * points + cell] == gains[k * points + *cells]) k++;
        if (k == 4 * t->varying) break;
    }
    if (cell == *cells) g->sample[number * points + (*cells)++] = p;
    g->cell_of[number * points + p] = cell;
}

/* Sort the points of a grid into cells, tree by tree. Fills `cells`, zero before, `cell_of` and
 * `sample`, zero before, and `gains`. */
int homeward_plan_grid(const model *m, grid_plan *g) {
    workspace w;
    const int64_t width = VIEWS(m), points = g->points;
    double *const memory = aligned_alloc(64, lay_out(&w, NULL, m, points));
    double *const views = calloc((size_t)(width * points), sizeof(double));
    if (!memory || !views) return free(memory), free(views), 1;
    lay_out(&w, memory, m, points);
    for (int32_t p = 0; p < points; p++) view_grid(m, g, p, views + p * width);
    for (const bundle *b = m->reason_bundles, *end = b + m->bundles; b < end; b++) {
        for (int32_t p = 0; p < points; p++) {
            decide_2(m, b, views + p * width, b->mixed, b->mixed_sets, b->mixed_repeats, &w);
            for (int32_t k = 0; k < b->trees; k++)
                find_cell(m, b, m->reason_trees + b->first_tree + k, g, &w, p);
        }
    }
    free(memory);
    free(views);
    return 0;
}
