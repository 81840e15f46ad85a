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

/* ---- trees without their nodes on varying columns -------------------------------------------- */

INLINE int varies(const model *m, const grid_plan *g, const score_node *node) {
    const int64_t f = m->features, at = node->column & ~IS_SET;
    if (at == 5 * f && !(node->column & IS_SET)) return 0; /* a leaf */
    for (int32_t k = 0; k < g->columns; k++)
        if ((node->column & IS_SET ? at - 5 * f - 1 : at % f) == g->varying[k]) return 1;
    return 0;
}

/* Where a point of the grid comes out below nodes on varying columns. */
INLINE uint32_t below(const model *m, const grid_plan *g, const double *views, uint32_t at) {
    while (varies(m, g, m->score_nodes + at)) at = step(m, m->score_nodes, views, at);
    return at;
}

/* Copy one tree as a point of the grid sees it, breadth first, after `used` nodes; returns how many
 * there are then. A part that no varying node is in (`pure`) is copied for the first cell only. */
static uint32_t prune(const model *m, grid_plan *g, uint32_t root, const double *views,
                      uint32_t used, uint32_t *made_of, const uint8_t *pure, uint32_t *copied) {
    uint32_t n = used;
    made_of[used++] = below(m, g, views, root);
    for (; n < used; n++) {
        const uint32_t from = made_of[n];
        score_node *const node = g->score_nodes + n;
        *node = m->score_nodes[from];
        g->score_values[n] = m->score_values[from];
        if (node->left == from) { /* a leaf leads to itself */
            node->left = n;
            continue;
        }
        const uint32_t left = node->left;
        node->left = copied[from] ? copied[from] : used;
        if (copied[from]) continue;
        if (pure[from]) copied[from] = used;
        made_of[used++] = below(m, g, views, left);
        made_of[used++] = below(m, g, views, left + 1);
    }
    return used;
}

/* Copy every tree once for each of its cells, without its nodes on varying columns. Fills
 * `score_nodes`, `score_values` and `roots`; the first two have room for whole trees. `nodes` is
 * how many the model has. Returns how many were written, or -1 without memory. */
int64_t homeward_prune(const model *m, grid_plan *g, int64_t nodes, int64_t room) {
    const size_t views_size = sizeof(double) * (size_t)VIEWS(m);
    char *const memory = calloc(1, views_size + 5 * (size_t)nodes + 4 * (size_t)room);
    if (!memory) return -1;
    double *const views = (double *)memory;
    uint32_t *const copied = (uint32_t *)(memory + views_size), *const made_of = copied + nodes;
    uint8_t *const pure = (uint8_t *)(made_of + room);
    uint32_t used = 0, *root = g->roots;
    for (int64_t i = nodes - 1; i >= 0; i--) { /* children come after their parents */
        const score_node *const node = m->score_nodes + i;
        pure[i] = node->left == i || (pure[node->left] && pure[node->left + 1]);
        pure[i] &= !varies(m, g, node);
    }
    for (int32_t t = 0; t < m->trees; t++) {
        for (int32_t c = 0; c < g->cells[t]; c++) {
            view_grid(m, g, g->sample[(int64_t)t * g->points + c], views);
            *root++ = used;
            used = prune(m, g, m->roots[t], views, used, made_of, pure, copied);
        }
    }
    free(memory);
    return used;
}
