/* Requests of POST /v1/scores read in one pass: JSON to the columns of their events, checked.
 *
 * Each is read as if it were alone, and one that cannot be used leaves nothing behind. What the types
 * of service/wire.py and the rules of service/reading.py accept is accepted, and nothing else; what is
 * wrong with the rest is for service/reading.py to say. Every read is bounded by the end of the
 * request and every write by the room that service/sheet.py makes for requests of this size.
 * Nothing here keeps state between calls, or knows about Python.
 */
#define _GNU_SOURCE
#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 2 /* raised with every change of a structure or of a function's parameters */
#define NO_TIME INT64_MIN
#define NO_SPELL (-1)
#define ANOTHER_SPELL (-2) /* of this patient; which one does not matter */

enum { READ, REFUSED, UNKNOWN_CODES, DOUBTFUL_IDENTIFIER };
enum { OTHER, SPELL_START, SPELL_END, SITE, WARD }; /* kinds of codes, as in service/codebook.py */
enum { ASKED, NOT_ADMITTED, TWO_STARTS, DISCHARGED, BAD_VALUE }; /* as in service/translate.py */

typedef struct { /* codes met before, by number */
    int64_t seed;
    int32_t codes, slots;      /* slots: a power of two, more than codes */
    const uint8_t *texts;      /* of all codes, UTF-8 */
    const int64_t *ends;       /* (codes,) in texts */
    const double *low, *high;  /* (codes,) plausible range of a value; low above high: never */
    const uint8_t *kind;       /* (codes,) */
    const uint64_t *digest;    /* (codes,) of the text, the same everywhere */
    int32_t *slot;             /* (slots,) number of a code and 1; 0 is free */
} codebook;

typedef struct { /* one spell; texts are [begin, end) in the body or, from its size on, in `room` */
    int64_t spell_begin, spell_end, subject_begin, subject_end;
    int64_t first, events;     /* rows of its events */
    int64_t verdict, start, bad_code, ignored, newest;
    int64_t site, ward;        /* number of the last code, or -1 */
} spell;

typedef struct { /* an event as it is put on the record: nothing in it depends on the request */
    int64_t time, recorded;
    uint64_t code;
    float value;
    int32_t owner;             /* 0: the spell it was sent with */
} fact;

typedef struct { /* one request: [begin, end) in the body */
    int64_t begin, end;
    int64_t trusted;           /* identifiers were looked at already */
    int64_t verdict;           /* out, as what follows: READ, REFUSED or DOUBTFUL_IDENTIFIER */
    int64_t now, now_begin, now_end; /* the prediction time and its text, quotes included */
    int64_t first, spells;     /* its spells; none unless it was READ */
} request;

typedef struct {
    const uint8_t *body;       /* of all requests, one after the other */
    int64_t size, most_events, most_spells, most_spells_of_one, most_events_of_one;
    const codebook *book;
    int64_t asked;             /* requests */
    uint8_t *room;             /* (size,) texts with escapes, written out */
    int64_t *subject, *time, *recorded, *owner; /* (most_events,) */
    int32_t *code;
    float *value;
    int64_t *unknown;          /* (2 * most_events,) texts of codes that are not in the book */
    int32_t *place;            /* (codes of the book,) in `codes`, or -1 */
    int32_t *codes;            /* (most_events,) numbers of the codes met, in order of their texts */
    spell *spells;             /* (most_spells,) */
    fact *facts;               /* (most_events,) */
    request *requests;         /* (asked,) */
    int64_t events, count, unknowns, met, room_used; /* out: how many of each */
} sheet;

typedef struct {
    int64_t begin, end;
    int32_t characters, ascii, controls;
} text;

typedef struct { /* where the reader stands */
    const uint8_t *at, *end;
    sheet *out;
    int64_t doubtful;
    int64_t first;             /* spell of the request being read */
} reader;

#include "kernel_json.c"
#include "kernel_moment.c"
#include "kernel_spells.c"

/* ---- codes ----------------------------------------------------------------------------------- */

static uint64_t hash(int64_t seed, const uint8_t *from, int64_t size) {
    uint64_t h = (uint64_t)seed ^ (uint64_t)size * 0x9e3779b97f4a7c15u, word;
    for (; size > 0; from += 8, size -= 8) {
        word = 0;
        memcpy(&word, from, size < 8 ? (size_t)size : 8);
        h = (h ^ word) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    return h;
}

static int64_t begin_of(const codebook *b, int32_t number) {
    return number ? b->ends[number - 1] : 0;
}

/* Slot of a code: where it is, or the free one where it would be. */
static int32_t slot_of(const codebook *b, const uint8_t *from, int64_t size) {
    int32_t slot = (int32_t)(hash(b->seed, from, size) & (uint64_t)(b->slots - 1));
    for (; b->slot[slot]; slot = (slot + 1) & (b->slots - 1)) {
        const int32_t number = b->slot[slot] - 1;
        const int64_t begin = begin_of(b, number);
        if (b->ends[number] - begin == size && !memcmp(b->texts + begin, from, (size_t)size)) break;
    }
    return slot;
}

/* Fill the slots, zero before. */
void homeward_fill_slots(codebook *b) {
    for (int32_t number = 0; number < b->codes; number++) {
        const int64_t begin = begin_of(b, number);
        b->slot[slot_of(b, b->texts + begin, b->ends[number] - begin)] = number + 1;
    }
}

/* Number of a code; -1 for one that is not in the book, which is noted. */
static int32_t number_of(sheet *s, const text *code) {
    const int32_t found =
        s->book->slot[slot_of(s->book, written(s, code), code->end - code->begin)];
    if (!found) {
        s->unknown[2 * s->unknowns] = code->begin;
        s->unknown[2 * s->unknowns++ + 1] = code->end;
    } else if (s->place[found - 1] < 0) {
        s->place[found - 1] = 0;
        s->codes[s->met++] = found - 1;
    }
    return found - 1;
}

static _Thread_local const codebook *sorting;

static int by_text(const void *one, const void *other) {
    const int32_t a = *(const int32_t *)one, b = *(const int32_t *)other;
    const int64_t from_a = begin_of(sorting, a), from_b = begin_of(sorting, b);
    const int64_t size_a = sorting->ends[a] - from_a, size_b = sorting->ends[b] - from_b;
    const int64_t both = size_a < size_b ? size_a : size_b;
    const int order = memcmp(sorting->texts + from_a, sorting->texts + from_b, (size_t)both);
    return order ? order : (size_a > size_b) - (size_a < size_b);
}

/* Write out the events for the record, while codes are still numbers of the book. */
static void write_facts(sheet *s) {
    for (int64_t i = 0; i < s->events; i++)
        s->facts[i] = (fact){s->time[i], s->recorded[i], s->book->digest[s->code[i]], s->value[i],
                             (int32_t)(s->owner[i] < 0 ? s->owner[i] : 0)};
}

/* Number the codes met by the order of their texts: ties of events are broken by it. */
static void order_codes(sheet *s) {
    sorting = s->book;
    qsort(s->codes, (size_t)s->met, sizeof(int32_t), by_text);
    for (int32_t k = 0; k < s->met; k++) s->place[s->codes[k]] = k;
    for (int64_t i = 0; i < s->events; i++) s->code[i] = s->place[s->code[i]];
}

/* ---- objects --------------------------------------------------------------------------------- */

/* The next key of an object, read up to its value; 0 at the end of the object, -1 where there is
 * something else, a key that is not one of these or one repeated. Else its place, from 1 on. */
static int next_key(reader *r, const char *const *names, uint32_t *seen, int first) {
    text key;
    if (take(r, '}')) return 0;
    if (!first && !take(r, ',')) return -1;
    if (!read_text(r, &key) || !take(r, ':')) return -1;
    for (int k = 0; names[k]; k++) {
        const size_t size = strlen(names[k]);
        if ((size_t)(key.end - key.begin) != size) continue;
        if (memcmp(written(r->out, &key), names[k], size)) continue;
        if (*seen & 1u << k) return -1;
        *seen |= 1u << k;
        return k + 1;
    }
    return -1;
}

static int read_identifier(reader *r, text *t) {
    return read_text(r, t) && t->characters >= 1 && t->characters <= 64
        && is_identifier(r, written(r->out, t), t);
}

static const char *const EVENT[] = {"code", "time", "recorded_at", "numeric_value", "spell_id", NULL};

/* One event into the next row. Whose it is stays a text until the spell has been read to its end:
 * its size in `subject`, its beginning in `owner`. */
static int read_event(reader *r) {
    sheet *const s = r->out;
    const int64_t row = s->events;
    uint32_t seen = 0;
    text code = {0}, owner;
    double value = NAN;
    if (row >= s->most_events || !take(r, '{')) return 0;
    s->recorded[row] = NO_TIME;
    s->owner[row] = NO_SPELL;
    for (int key = next_key(r, EVENT, &seen, 1); key; key = next_key(r, EVENT, &seen, 0)) {
        int fine = 0;
        switch (key) {
            case 1:
                fine = read_text(r, &code) && code.characters >= 1 && code.characters <= 128
                    && !code.controls;
                break;
            case 2: fine = take_null(r) ? s->time[row] = NO_TIME, 1 : read_moment(r, s->time + row); break;
            case 3: fine = take_null(r) || read_moment(r, s->recorded + row); break;
            case 4: fine = take_null(r) || read_number(r, &value); break;
            case 5:
                if (take_null(r)) { fine = 1; break; }
                fine = read_identifier(r, &owner);
                if (!fine) break;
                s->owner[row] = owner.begin;
                s->subject[row] = owner.end - owner.begin;
                break;
            default: break;
        }
        if (!fine) return 0;
    }
    if ((seen & 3) != 3) return 0; /* code and time are needed */
    if (s->recorded[row] == NO_TIME) s->recorded[row] = s->time[row];
    s->code[row] = number_of(s, &code);
    s->value[row] = (float)value;
    s->events++;
    return 1;
}

static int read_events(reader *r) {
    const int64_t first = r->out->events;
    if (!take(r, '[')) return 0;
    if (take(r, ']')) return 1;
    do {
        if (!read_event(r)) return 0;
    } while (take(r, ','));
    return take(r, ']') && r->out->events - first <= r->out->most_events_of_one;
}

static const char *const SPELL[] = {"spell_id", "subject_id", "events", NULL};

static int read_spell(reader *r) {
    sheet *const s = r->out;
    const int64_t first = s->events;
    uint32_t seen = 0;
    text name = {0}, subject = {0};
    if (s->count >= s->most_spells || s->count - r->first >= s->most_spells_of_one) return 0;
    if (!take(r, '{')) return 0;
    for (int key = next_key(r, SPELL, &seen, 1); key; key = next_key(r, SPELL, &seen, 0)) {
        const int fine = key == 1 ? read_identifier(r, &name)
                       : key == 2 ? read_identifier(r, &subject)
                       : key == 3 ? read_events(r) : 0;
        if (!fine) return 0;
    }
    if (seen != 7) return 0;
    const int64_t size = name.end - name.begin;
    for (int64_t row = first; row < s->events; row++) {
        if (s->owner[row] != NO_SPELL) {
            const text owner = {.begin = s->owner[row]};
            const int mine = s->subject[row] == size
                          && !memcmp(written(s, &owner), written(s, &name), (size_t)size);
            s->owner[row] = mine ? s->count : ANOTHER_SPELL;
        }
        s->subject[row] = s->count;
    }
    s->spells[s->count++] = (spell){
        .spell_begin = name.begin, .spell_end = name.end,
        .subject_begin = subject.begin, .subject_end = subject.end,
        .first = first, .events = s->events - first,
    };
    return 1;
}

static int read_spells(reader *r) {
    if (!take(r, '[')) return 0;
    do {
        if (!read_spell(r)) return 0;
    } while (take(r, ','));
    return take(r, ']');
}

static const char *const REQUEST[] = {"prediction_time", "spells", NULL};

static int read_request(reader *r, request *q) {
    uint32_t seen = 0;
    if (!take(r, '{')) return 0;
    for (int key = next_key(r, REQUEST, &seen, 1); key; key = next_key(r, REQUEST, &seen, 0)) {
        if (key == 1) {
            skip(r);
            q->now_begin = r->at - r->out->body;
            if (!read_moment(r, &q->now)) return 0;
            q->now_end = r->at - r->out->body;
        } else if (key != 2 || !read_spells(r)) {
            return 0;
        }
    }
    skip(r);
    return seen == 3 && r->at == r->end;
}

/* Read one request; what was read of one that is not READ is taken back. */
static void read_one(sheet *s, request *q) {
    const sheet before = *s;
    reader r = {s->body + q->begin, s->body + q->end, s, 0, s->count};
    q->first = s->count;
    q->verdict = !read_request(&r, q) ? REFUSED
               : r.doubtful && !q->trusted ? DOUBTFUL_IDENTIFIER : READ;
    if (q->verdict != READ) {
        for (int64_t k = before.met; k < s->met; k++) s->place[s->codes[k]] = -1;
        *s = before;
    }
    q->spells = s->count - q->first;
}

/* Read requests. Fills them, the columns of `s`, `spells` and what comes after it.
 *
 * Returns READ, or UNKNOWN_CODES: the texts in `unknown` have to be in the book first. */
int homeward_read(sheet *s) {
    s->events = s->count = s->unknowns = s->met = s->room_used = 0;
    memset(s->place, 0xff, sizeof(int32_t) * (size_t)s->book->codes);
    for (int64_t k = 0; k < s->asked; k++) read_one(s, s->requests + k);
    if (s->unknowns) return UNKNOWN_CODES;
    for (const request *q = s->requests, *end = q + s->asked; q < end; q++)
        for (int64_t k = q->first; k < q->first + q->spells; k++) judge(s, s->spells + k, q->now);
    write_facts(s);
    order_codes(s);
    return READ;
}

int homeward_service_kernel_version(void) { return VERSION; }
