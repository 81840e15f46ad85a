/* As-of features: one pass over a patient's events for each question asked about the patient.
 *
 * Events are in order of (subject, time, recorded, code, value). A *series* is a set of codes read
 * in one scope and window; every event updates the series that its code belongs to, and a feature is
 * one reading of one series. Nothing is shared between snapshots, so a batch of one gives the same
 * bits as its row in a batch of a million.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NO_TIME INT64_MIN
#define NO_SPELL (-1)
#define NO_END INT64_MAX
#define HOUR 3600000000LL
#define DAY (24 * HOUR)

enum { DONE, DISORDERED, OUTSIDE, NO_MEMORY };
enum { SPELL, HISTORY, ANY };
enum {
  LATEST, EARLIEST, MINIMUM, MAXIMUM, MEAN, SUM, COUNT, CHANGE, HOURS_SINCE, CATEGORY,
  DAYS_SO_FAR, HOURS_SO_FAR, ADMISSION_HOUR, ADMISSION_WEEKDAY, ADMISSION_MONTH, WEEKDAY, HOUR_OF_DAY
};

typedef struct {
  int64_t count, numbers, last_time;
  double sum, low, high, first, last;
  int32_t category;
} Series;

/* Floor division: local times before 1970 are as good as any other. */
static int64_t days(int64_t local) { return local / DAY - (local % DAY < 0); }

static double month(int64_t local) {
  /* Civil month of a day number: proleptic Gregorian, counting from 1 March of year 0. */
  int64_t z = days(local) + 719468;
  int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  int64_t day_of_era = z - era * 146097;
  int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t shifted = (5 * day_of_year + 2) / 153;
  return (double)(shifted < 10 ? shifted + 3 : shifted - 9);
}

static double weekday(int64_t local) { return (double)(((days(local) + 3) % 7 + 7) % 7); }
static double hour(int64_t local) { return (double)(local - days(local) * DAY) / (double)HOUR; }

static void update(Series *series, int64_t time, double value, int32_t category) {
  series->count++;
  series->last_time = time;
  if (category >= 0) series->category = category;
  if (isnan(value)) return;
  if (series->numbers++ == 0) {
    series->first = series->low = series->high = value;
  } else {
    if (value < series->low) series->low = value;
    if (value > series->high) series->high = value;
  }
  series->last = value;
  series->sum += value;
}

static double read_series(const Series *series, int32_t how, int64_t now) {
  switch (how) {
    case COUNT: return (double)series->count;
    case SUM: return series->sum; /* of nothing: 0, a fact */
    case HOURS_SINCE:
      return series->count && series->last_time != NO_TIME ? (double)(now - series->last_time) / (double)HOUR : NAN;
    case CATEGORY: return series->category >= 0 ? (double)series->category : NAN;
    case CHANGE: return series->numbers > 1 ? series->last - series->first : NAN;
    default: break;
  }
  if (!series->numbers) return NAN;
  switch (how) {
    case LATEST: return series->last;
    case EARLIEST: return series->first;
    case MINIMUM: return series->low;
    case MAXIMUM: return series->high;
    case MEAN: return series->sum / (double)series->numbers;
    default: return NAN;
  }
}

static double read_clock(int32_t how, int64_t local_start, int64_t local_now, int64_t start, int64_t now) {
  switch (how) {
    case DAYS_SO_FAR: return (double)(days(local_now) - days(local_start));
    case HOURS_SO_FAR: return (double)(now - start) / (double)HOUR;
    case ADMISSION_HOUR: return hour(local_start);
    case ADMISSION_WEEKDAY: return weekday(local_start);
    case ADMISSION_MONTH: return month(local_start);
    case WEEKDAY: return weekday(local_now);
    case HOUR_OF_DAY: return hour(local_now);
    default: return NAN;
  }
}

/* ---- order ----------------------------------------------------------------------------------- */

typedef struct {
  const int64_t *subject, *time, *recorded;
  const int32_t *code;
  const float *value;
} Keys;

/* Whether event `b` comes strictly before event `a`; a missing value comes last. */
static int before(const Keys *k, int64_t b, int64_t a) {
  if (k->subject[b] != k->subject[a]) return k->subject[b] < k->subject[a];
  if (k->time[b] != k->time[a]) return k->time[b] < k->time[a];
  if (k->recorded[b] != k->recorded[a]) return k->recorded[b] < k->recorded[a];
  if (k->code[b] != k->code[a]) return k->code[b] < k->code[a];
  if (isnan(k->value[a])) return !isnan(k->value[b]);
  return k->value[b] < k->value[a];
}

/* Merge sort: stable, and little work where most is in order already. */
static void sort(const Keys *k, int64_t *order, int64_t *room, int64_t n) {
  if (n <= 12) {
    for (int64_t i = 1; i < n; i++) {
      const int64_t one = order[i];
      int64_t at = i;
      for (; at > 0 && before(k, one, order[at - 1]); at--) order[at] = order[at - 1];
      order[at] = one;
    }
    return;
  }
  const int64_t half = n / 2;
  sort(k, order, room, half);
  sort(k, order + half, room, n - half);
  if (!before(k, order[half], order[half - 1])) return;
  memcpy(room, order, sizeof(int64_t) * (size_t)half);
  for (int64_t i = 0, left = 0, right = half; left < half; i++)
    order[i] = right < n && before(k, order[right], room[left]) ? order[right++] : room[left++];
}

/* Whether events are in order of (subject, time, recorded, code, value): 1 if so; else 0, and
 * `order` says in which order they are. -1 without memory. */
int homeward_order(const int64_t *subject, const int64_t *time, const int64_t *recorded,
                   const int32_t *code, const float *value, int64_t n, int64_t *order) {
  const Keys keys = {subject, time, recorded, code, value};
  int64_t row = 1;
  while (row < n && !before(&keys, row, row - 1)) row++;
  if (row >= n) return 1;
  int64_t *const room = malloc(sizeof(int64_t) * (size_t)(n / 2 + 1));
  if (!room) return -1;
  for (int64_t i = 0; i < n; i++) order[i] = i;
  sort(&keys, order, room, n);
  free(room);
  return 0;
}

/* ---- the wall clock -------------------------------------------------------------------------- */

/* Local times by the last change of the offset at or before each moment; NO_TIME stays. Returns 0
 * where a moment lies outside [first, last], which the table of changes does not cover. */
int homeward_local(const int64_t *times, int64_t n, const int64_t *changes, const int64_t *offsets,
                   int64_t count, int64_t first, int64_t last, int64_t *local) {
  for (int64_t i = 0; i < n; i++) {
    const int64_t time = times[i];
    int64_t low = 0, high = count; /* the last change not after `time` lies in [low, high) */
    if (time == NO_TIME) { local[i] = NO_TIME; continue; }
    if (time < first || time > last) return 0;
    while (high - low > 1) {
      const int64_t middle = (low + high) / 2;
      if (changes[middle] <= time) low = middle; else high = middle;
    }
    local[i] = time + offsets[low];
  }
  return 1;
}

/* ---- questions ------------------------------------------------------------------------------- */

/* First row whose subject is not below `subject` or, with `past`, above it. */
static int64_t first_of(const int64_t *subjects, int64_t n, int64_t subject, int past) {
  int64_t low = 0;
  while (low < n) {
    const int64_t middle = low + (n - low) / 2;
    if (subjects[middle] < subject || (past && subjects[middle] == subject)) low = middle + 1;
    else n = middle;
  }
  return low;
}

/* Longest window that counts back from the question, or from admission; NO_END if one has no end. */
static int64_t longest(const int32_t *scope, const int64_t *window, int64_t series_count, int history) {
  int64_t most = 0;
  for (int64_t k = 0; k < series_count; k++) {
    if ((scope[k] == HISTORY) != history) continue;
    if (window[k] <= 0) return NO_END;
    if (window[k] > most) most = window[k];
  }
  return most;
}

/* First row of [row, end) after a moment: what came before it is in no window. */
static int64_t first_after(const int64_t *time, int64_t row, int64_t end, int64_t moment) {
  while (row < end) {
    const int64_t middle = row + (end - row) / 2;
    if (time[middle] > moment) end = middle; else row = middle + 1;
  }
  return row;
}

/* Features of `snapshots` questions into `out` (row-major, one row a question). Returns DONE;
 * DISORDERED: the events are not in order; OUTSIDE: a moment that the changes of the wall clock do not
 * cover; NO_MEMORY.
 *
 * code_number: of each code, its place in link_start; link_series/link_category from there to the next
 * place: the series it feeds, and its category there.
 */
int homeward_features(
    /* events */
    const int64_t *subject, const int64_t *time, const int64_t *recorded, const int32_t *code, const float *value,
    int64_t n, const int64_t *event_spell, const int32_t *code_number,
    /* plan */
    const int32_t *link_start, const int32_t *link_series, const int32_t *link_category,
    const int32_t *scope, const int64_t *window, const int32_t *feature_series, const int32_t *feature_read,
    int64_t series_count, int64_t features,
    /* the wall clock */
    const int64_t *changes, const int64_t *offsets, int64_t change_count, int64_t first_moment, int64_t last_moment,
    /* questions */
    const int64_t *asked_subject, const int64_t *spell, const int64_t *start, const int64_t *now,
    int64_t snapshots,
    /* answers */
    double *out) {
  const Series empty = {0, 0, NO_TIME, 0.0, NAN, NAN, NAN, NAN, -1};
  const Keys keys = {subject, time, recorded, code, value};
  for (int64_t row = 1; row < n; row++)
    if (before(&keys, row, row - 1)) return DISORDERED;
  Series *const series = malloc(sizeof(Series) * (size_t)(series_count + 1));
  if (!series) return NO_MEMORY;
  const int64_t to_now = longest(scope, window, series_count, 0);
  const int64_t to_start = longest(scope, window, series_count, 1);
  const int bounded = to_now != NO_END && to_start != NO_END;
  int done = DONE;
  for (int64_t s = 0; s < snapshots; s++) {
    int64_t local_start, local_now;
    if (!homeward_local(start + s, 1, changes, offsets, change_count, first_moment, last_moment, &local_start)
        || !homeward_local(now + s, 1, changes, offsets, change_count, first_moment, last_moment, &local_now)) {
      done = OUTSIDE;
      break;
    }
    for (int64_t k = 0; k < series_count; k++) series[k] = empty;
    const int64_t end = first_of(subject, n, asked_subject[s], 1);
    int64_t row = first_of(subject, end, asked_subject[s], 0);
    if (bounded) {
      const int64_t by_now = now[s] - to_now, by_start = start[s] - to_start;
      row = first_after(time, row, end, by_now < by_start ? by_now : by_start);
    }
    for (; row < end && time[row] <= now[s]; row++) {
      if (recorded[row] > now[s]) continue; /* recorded later: not known at this moment */
      const int32_t number = code_number[code[row]];
      int32_t link = link_start[number], last = link_start[number + 1];
      if (link == last) continue;
      int timeless = time[row] == NO_TIME;
      int here = timeless || event_spell[row] == spell[s] || (event_spell[row] == NO_SPELL && time[row] >= start[s]);
      for (; link < last; link++) {
        int32_t k = link_series[link];
        if (scope[k] == SPELL && !here) continue;
        if (scope[k] == HISTORY && (here || timeless)) continue;
        if (window[k] > 0) {
          int64_t from = (scope[k] == HISTORY ? start[s] : now[s]) - window[k];
          if (timeless || time[row] <= from) continue;
        }
        update(&series[k], time[row], (double)value[row], link_category[link]);
      }
    }
    for (int64_t f = 0; f < features; f++) {
      out[s * features + f] = feature_series[f] >= 0
          ? read_series(&series[feature_series[f]], feature_read[f], now[s])
          : read_clock(feature_read[f], local_start, local_now, start[s], now[s]);
    }
  }
  free(series);
  return done;
}
