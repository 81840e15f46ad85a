/* From features to chances, days and effects, all but exp and log; part of kernel.c.
 *
 * A forecast goes through stages. Between two of them NumPy raises to powers, exponentiates or takes
 * logarithms of what stands in `x`, in place: one definition of those functions, so that a chance
 * has the same bits here as in the training that calibrated it. Rows are in order of their days.
 * Sums of a line are NumPy's (pairwise), for the same reason.
 */

#define TINY 1e-9
#define SMALLEST 1e-300
#define GROUPS 9 /* of days so far: models/calibration.py, ELAPSED */
#define QUANTILES 3

typedef struct { /* recalibration of one segment; without one `there` is 0 */
    double there, intercept, slope, shifted, shifts[GROUPS];
} step_of;

typedef struct { /* boundaries (first, end) lie in the segment that starts at boundary `begin` */
    int32_t begin, first, end, open; /* open: the last one, which nothing recalibrates */
} segment;

typedef struct {
    int32_t features, ratios, boundaries, segments;
    const model *exits, *deaths;      /* deaths may be NULL */
    const int32_t *ratio_feature;
    const int64_t *ratio_start;       /* (ratios + 1,) into the table */
    const double *ratio_table;
    const double *edges;              /* (boundaries,) days */
    const segment *parts;             /* (segments,) */
    const step_of *steps;             /* (segments, 2): from now, onward; then that of death */
    const double *elapsed;            /* (GROUPS,) lower edges in days */
    const double *levels, *log_levels; /* (QUANTILES,) */
} forecaster;

typedef struct { /* of one day: the same for all rows that have stayed as long */
    int64_t intervals;
    const grid_plan *exits, *deaths;
    const double *weights; /* (intervals,) of the explained average */
} outlook;

typedef struct {
    int64_t rows;
    int64_t explain;
    const double *matrix;         /* (rows, features) */
    const double *days;           /* (rows,) */
    const outlook *const *ahead;  /* (rows,) NULL beyond the grid */
    double *x;                    /* what NumPy works on between stages */
    double *raw, *staying;        /* (rows, boundaries) before and after calibration */
    double *raw_died, *died;      /* (rows,) */
    double *chance;               /* (rows, segments) */
    double *day;                  /* (rows, QUANTILES) */
    double *effects;              /* (rows, features) */
    double *base, *log_odds;      /* (rows,) */
} forecast;

/* Sum of a line as NumPy adds it up. */
static double pairwise(const double *line, int64_t n) {
    double sum = 0.0, part[8];
    if (n < 8) {
        for (int64_t k = 0; k < n; k++) sum += line[k];
        return sum;
    }
    if (n > 128) {
        const int64_t half = n / 2 - n / 2 % 8;
        return pairwise(line, half) + pairwise(line + half, n - half);
    }
    for (int k = 0; k < 8; k++) part[k] = line[k];
    for (int64_t i = 8; i < n - n % 8; i += 8)
        for (int k = 0; k < 8; k++) part[k] += line[i + k];
    sum = ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
    for (int64_t k = n - n % 8; k < n; k++) sum += line[k];
    return sum;
}

INLINE double at_most(double value, double most) { return value > most ? most : value; }
INLINE double at_least(double value, double least) { return value < least ? least : value; }

/* ---- the trees ------------------------------------------------------------------------------- */

/* Features to columns of the trees: rounded to 32 bits, as the thresholds were learnt. */
static void encode_row(const forecaster *f, const double *row, double *columns) {
    for (int32_t j = 0; j < f->features; j++) columns[j] = (double)(float)row[j];
    for (int32_t k = 0; k < f->ratios; k++) {
        const double value = row[f->ratio_feature[k]];
        const int64_t size = f->ratio_start[k + 1] - f->ratio_start[k];
        const double slot = isnan(value) ? (double)(size - 1)
                                         : at_least(at_most(value, (double)(size - 1)), 0.0);
        columns[f->features + k] = (double)(float)f->ratio_table[f->ratio_start[k] + (int64_t)slot];
    }
    columns[f->features + f->ratios] = columns[f->features + f->ratios + 1] = 0.0;
}

/* Contributions of columns to features: a ratio goes to its feature, intervals to the base. */
static void gather(const forecaster *f, const forecast *c, int64_t row, const double *totals) {
    double *const effects = c->effects + row * f->features;
    for (int32_t j = 0; j < f->features; j++) effects[j] = totals[j];
    for (int32_t k = 0; k < f->ratios; k++)
        effects[f->ratio_feature[k]] += totals[f->features + k];
    c->base[row] = pairwise(totals + f->features + f->ratios, 3);
    c->log_odds[row] = c->base[row] + pairwise(effects, f->features);
}

/* Margins and contributions of rows that have stayed as many days; `x` and `deaths` take the
 * negative margins. */
static int walk_trees(const forecaster *f, const forecast *c, int64_t from, int64_t count,
                      double *x, double *deaths) {
    const int64_t width = f->features + f->ratios + 2;
    const outlook *const ahead = c->ahead[from];
    const int64_t points = ahead->intervals;
    double *const columns = malloc(sizeof(double) * (size_t)(count * (2 * width + 1 + points)));
    double *const totals = columns + count * width, *const weights = totals + count * (width + 1);
    if (!columns) return 1;
    for (int64_t k = 0; k < count; k++)
        encode_row(f, c->matrix + (from + k) * f->features, columns + k * width);
    int failed = homeward_scores_on_grid(f->exits, ahead->exits, columns, count, x);
    for (int64_t k = 0; k < count * points; k++) x[k] = -x[k];
    if (f->deaths && !failed) {
        failed = homeward_scores_on_grid(f->deaths, ahead->deaths, columns, count, deaths);
        for (int64_t k = 0; k < count * points; k++) deaths[k] = -deaths[k];
    }
    if (c->explain && !failed) {
        for (int64_t k = 0; k < count; k++)
            memcpy(weights + k * points, ahead->weights, sizeof(double) * (size_t)points);
        failed = homeward_reasons(f->exits, ahead->exits, columns, weights, count, totals);
        for (int64_t k = 0; k < count && !failed; k++)
            gather(f, c, from + k, totals + k * (width + 1));
    }
    free(columns);
    return failed;
}

INLINE int64_t intervals_in_all(const forecast *c) {
    int64_t all = 0;
    for (int64_t i = 0; i < c->rows; i++) all += c->ahead[i] ? c->ahead[i]->intervals : 0;
    return all;
}

/* Stage 0, then exp: negative margins of leaving, then those of dying. Returns how many there are,
 * or -1 without memory. */
static int64_t all_margins(const forecaster *f, const forecast *c) {
    const int64_t all = intervals_in_all(c);
    double *x = c->x;
    for (int64_t from = 0, next; from < c->rows; from = next) {
        for (next = from; next < c->rows && c->ahead[next] == c->ahead[from];) next++;
        if (c->ahead[from]) {
            if (walk_trees(f, c, from, next - from, x, x + all)) return -1;
            x += (next - from) * c->ahead[from]->intervals;
            continue;
        }
        for (int64_t i = from; i < next && c->explain; i++) {
            memset(c->effects + i * f->features, 0, sizeof(double) * (size_t)f->features);
            c->base[i] = c->log_odds[i] = 0.0;
        }
    }
    return f->deaths ? 2 * all : all;
}

/* ---- hazards to chances ---------------------------------------------------------------------- */

INLINE const step_of *step_at(const forecaster *f, int64_t segment, double day) {
    const step_of *const pair = f->steps + 2 * segment;
    return day >= f->edges[f->parts[segment].begin] ? pair : pair + 1;
}

INLINE double shift_of(const forecaster *f, const step_of *step, double day) {
    int group = 0;
    if (step->shifted == 0.0) return 0.0;
    while (group + 1 < GROUPS && day >= f->elapsed[group + 1]) group++;
    return step->shifts[group];
}

/* Stage 1, then log of the first half of `x` and log1p of the second: chances of the segments and
 * of death, to be turned into log-odds. */
static int64_t chances(const forecaster *f, const forecast *c) {
    const int64_t all = intervals_in_all(c), slots = f->segments + 1, half = c->rows * slots;
    const double *leaves = c->x, *dies = c->x + all;
    double hazard[f->boundaries], ends[f->boundaries];
    for (int64_t i = 0; i < c->rows; i++) {
        const int64_t ahead = c->ahead[i] ? c->ahead[i]->intervals : 0, first = f->boundaries - ahead;
        double *const raw = c->raw + i * f->boundaries;
        for (int64_t j = 0; j < first; j++) raw[j] = 1.0;
        for (int64_t j = 0; j < ahead; j++) {
            hazard[j] = 1.0 / (1.0 + leaves[j]);
            raw[first + j] = j ? raw[first + j - 1] * (1.0 - hazard[j]) : 1.0 - hazard[j];
        }
        for (int64_t j = 0; j < ahead && f->deaths; j++)
            ends[j] = raw[first + j - 1] * hazard[j] * (1.0 / (1.0 + dies[j]));
        c->raw_died[i] = ahead && f->deaths ? pairwise(ends, ahead) : NAN;
        leaves += ahead, dies += ahead;
    }
    for (int64_t i = 0; i < c->rows; i++) { /* only now: `x` is read to its end */
        const double *const raw = c->raw + i * f->boundaries;
        double *const kept = c->x + i * slots;
        for (int64_t s = 0; s < f->segments; s++) {
            const segment *const part = f->parts + s;
            double *const chance = c->chance + i * f->segments + s;
            *chance = part->open || part->end == part->first
                          ? 0.5
                          : raw[part->end - 1] / at_least(raw[part->begin], TINY);
            kept[s] = at_most(at_least(*chance, TINY), 1.0 - TINY);
        }
        kept[f->segments] = at_most(at_least(c->raw_died[i], TINY), 1.0 - TINY);
    }
    for (int64_t k = 0; k < half; k++) c->x[half + k] = -c->x[k];
    return 2 * half;
}

/* Stage 2, then exp: minus the calibrated log-odds. */
static int64_t calibrate(const forecaster *f, const forecast *c) {
    const int64_t slots = f->segments + 1, half = c->rows * slots;
    for (int64_t i = 0; i < c->rows; i++) {
        for (int64_t s = 0; s < slots; s++) {
            double *const x = c->x + i * slots + s;
            const step_of *const step =
                s < f->segments ? step_at(f, s, c->days[i]) : f->steps + 2 * f->segments;
            const double log_odds = *x - x[half];
            *x = step->there == 0.0 ? 0.0
                                    : -(step->intercept + step->slope * log_odds
                                        + shift_of(f, step, c->days[i]));
        }
    }
    return half;
}

/* Stage 3, then log: chances wanted of the segments, then chances had. */
static int64_t wanted(const forecaster *f, const forecast *c) {
    const int64_t slots = f->segments + 1, half = c->rows * f->segments;
    for (int64_t i = 0; i < c->rows; i++) {
        const double *const x = c->x + i * slots;
        const double died = 1.0 / (1.0 + x[f->segments]);
        c->died[i] = f->steps[2 * f->segments].there == 0.0 ? c->raw_died[i] : died;
        for (int64_t s = 0; s < f->segments; s++) /* never ahead of what is still to be read */
            c->x[i * f->segments + s] = at_least(1.0 / (1.0 + x[s]), TINY);
    }
    for (int64_t k = 0; k < half; k++)
        c->x[half + k] = at_most(at_least(c->chance[k], TINY), 1.0);
    return 2 * half;
}

/* Stage 4, then the first half of `x` to the power of the second: what stays from the start of a
 * segment to each boundary, and the factor that stretches the segment's cumulative hazard. */
static int64_t stretch(const forecaster *f, const forecast *c) {
    const int64_t half = c->rows * f->boundaries, logs = c->rows * f->segments;
    for (int64_t k = 0; k < logs; k++)
        c->chance[k] = c->x[k] / at_most(c->x[logs + k], -TINY); /* from here on: the factors */
    for (int64_t i = 0; i < c->rows; i++) {
        const double *const raw = c->raw + i * f->boundaries;
        double *const share = c->x + i * f->boundaries;
        share[0] = share[half] = 1.0;
        for (int64_t s = 0; s < f->segments; s++) {
            const segment *const part = f->parts + s;
            const int steady = part->open || step_at(f, s, c->days[i])->there == 0.0;
            const double base = at_least(raw[part->begin], TINY);
            for (int32_t j = part->first; j < part->end; j++) {
                share[j] = raw[j] / base;
                share[half + j] = steady ? 1.0 : c->chance[i * f->segments + s];
            }
        }
    }
    return 2 * half;
}

/* ---- the range ------------------------------------------------------------------------------- */

/* First boundary at which no more than `level` stay; 0 if there is none. */
INLINE int32_t passed(const forecaster *f, const double *staying, double level) {
    for (int32_t j = 0; j < f->boundaries; j++)
        if (staying[j] <= level) return j;
    return 0;
}

/* Stage 5, then log: what stays before and after the boundary where a level is passed. */
static int64_t stays(const forecaster *f, const forecast *c) {
    const int64_t half = c->rows * QUANTILES;
    for (int64_t i = 0; i < c->rows; i++) {
        const double *const share = c->x + i * f->boundaries;
        double *const staying = c->staying + i * f->boundaries;
        staying[0] = 1.0;
        for (int64_t s = 0; s < f->segments; s++)
            for (int32_t j = f->parts[s].first; j < f->parts[s].end; j++)
                staying[j] = staying[f->parts[s].begin] * share[j];
    }
    for (int64_t i = 0; i < c->rows; i++) {
        const double *const staying = c->staying + i * f->boundaries;
        for (int q = 0; q < QUANTILES; q++) {
            const int32_t after = passed(f, staying, f->levels[q]), before = after ? after - 1 : 0;
            c->x[i * QUANTILES + q] = at_least(staying[before], SMALLEST);
            c->x[half + i * QUANTILES + q] = at_least(staying[after], SMALLEST);
        }
    }
    return 2 * half;
}

static void days_of_leaving(const forecaster *f, const forecast *c) {
    const int64_t half = c->rows * QUANTILES;
    for (int64_t i = 0; i < c->rows; i++) {
        const double *const staying = c->staying + i * f->boundaries;
        for (int q = 0; q < QUANTILES; q++) {
            const double *const x = c->x + i * QUANTILES + q;
            const int32_t after = passed(f, staying, f->levels[q]), before = after ? after - 1 : 0;
            const double start = at_least(c->days[i], f->edges[before]), fall = x[0] - x[half];
            const double part = (x[0] - f->log_levels[q]) / (fall > 0.0 ? fall : 1.0);
            const double moment =
                start + at_most(at_least(part, 0.0), 1.0) * (f->edges[after] - start);
            const int reached = after || staying[0] <= f->levels[q];
            c->day[i * QUANTILES + q] =
                reached ? at_least(ceil(moment - 1e-9) - 1.0, c->days[i]) : NAN;
        }
    }
}

/* Do one stage; returns how many values of `x` NumPy is to work on, or -1 without memory. */
int64_t homeward_forecast(const forecaster *f, const forecast *c, int32_t stage) {
    switch (stage) {
        case 0: return all_margins(f, c);
        case 1: return chances(f, c);
        case 2: return calibrate(f, c);
        case 3: return wanted(f, c);
        case 4: return stretch(f, c);
        case 5: return stays(f, c);
        default: return days_of_leaving(f, c), 0;
    }
}

/* ---- reasons --------------------------------------------------------------------------------- */

typedef struct {
    int32_t features, concepts, families;
    double worth_naming;
    const int32_t *concept; /* (features,) 0 is never told */
    const int32_t *family;  /* (features,) */
    const double *share;    /* (features,) of the information that can be asked for */
} teller;

/* Concepts of each row by the size of their effect, largest first, the earlier of equal ones first,
 * and the feature of each that weighs most; -1 after the last. Concept 0 only if `all`. */
void homeward_tell(const teller *f, const double *effects, int64_t rows, int32_t wanted, int32_t all,
                   int32_t *told, int32_t *speaker, double *told_effect) {
    double by_concept[f->concepts];
    uint8_t done[f->concepts];
    for (; rows > 0; rows--, effects += f->features) {
        for (int32_t k = 0; k < f->concepts; k++) by_concept[k] = 0.0, done[k] = 0;
        for (int32_t j = 0; j < f->features; j++) by_concept[f->concept[j]] += effects[j];
        done[0] = !all;
        for (int32_t place = 0; place < wanted; place++, told++, speaker++, told_effect++) {
            int32_t best = -1;
            for (int32_t k = 0; k < f->concepts; k++)
                if (!done[k] && (best < 0 || fabs(by_concept[k]) > fabs(by_concept[best]))) best = k;
            if (best >= 0 && !all && by_concept[best] == 0.0) best = -1;
            *told = best, *speaker = -1, *told_effect = 0.0;
            if (best < 0) continue;
            done[best] = 1;
            *told_effect = by_concept[best];
            for (int32_t j = 0; j < f->features; j++)
                if (f->concept[j] == best
                    && (*speaker < 0 || fabs(effects[j]) > fabs(effects[*speaker])))
                    *speaker = j;
        }
    }
}

/* Families of facts that are not there, most useful first, -1 after the last; and the share of the
 * information that is there. */
void homeward_find_missing(const teller *f, const double *matrix, int64_t rows, int32_t *missing,
                           double *complete) {
    double lost[f->features], by_family[f->families];
    for (; rows > 0; rows--, matrix += f->features, missing += f->families) {
        int32_t found = 0, named = 0;
        for (int32_t k = 0; k < f->families; k++) by_family[k] = 0.0, missing[k] = -1;
        for (int32_t j = 0; j < f->features; j++) {
            lost[j] = isnan(matrix[j]) ? f->share[j] : 0.0;
            if (lost[j] == 0.0) continue;
            if (by_family[f->family[j]] == 0.0) missing[found++] = f->family[j];
            by_family[f->family[j]] += lost[j];
        }
        *complete++ = 1.0 - pairwise(lost, f->features);
        for (int32_t k = 0; k < found; k++) { /* into the named ones, in order */
            const int32_t family = missing[k];
            int32_t at = named;
            if (by_family[family] < f->worth_naming) continue;
            for (; at > 0 && by_family[missing[at - 1]] < by_family[family]; at--)
                missing[at] = missing[at - 1];
            missing[at] = family, named++;
        }
        for (int32_t k = named; k < found; k++) missing[k] = -1;
    }
}
