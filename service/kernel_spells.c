/* What can be asked of a spell, and what is known of it, at the prediction time; part of kernel.c. */

static int64_t later(int64_t one, int64_t other) { return one > other ? one : other; }

/* Whether the start that was found has passed into an end, or is none: the verdict. */
static int64_t admission(const sheet *s, spell *p, int64_t now) {
    int64_t named = NO_TIME, unnamed = NO_TIME, ended = NO_TIME;
    int two_starts = 0;
    for (int64_t i = p->first, end = p->first + p->events; i < end; i++) {
        const uint8_t kind = s->book->kind[s->code[i]];
        if (kind != SPELL_START && kind != SPELL_END) continue;
        if (s->time[i] == NO_TIME || later(s->time[i], s->recorded[i]) > now) continue;
        if (s->owner[i] == ANOTHER_SPELL) continue;
        if (kind == SPELL_END) {
            ended = later(ended, s->time[i]);
        } else if (s->owner[i] == NO_SPELL) {
            unnamed = later(unnamed, s->time[i]);
        } else {
            two_starts |= named != NO_TIME && named != s->time[i];
            named = later(named, s->time[i]);
        }
    }
    /* a start that names this spell decides; else the latest of nobody: earlier ones are history */
    p->start = named != NO_TIME ? named : unnamed;
    if (two_starts) return TWO_STARTS;
    if (p->start == NO_TIME) return NOT_ADMITTED;
    return ended != NO_TIME && ended >= p->start ? DISCHARGED : ASKED;
}

/* The last code of a kind that was said of the spell itself; of several at once the last sent. */
static int64_t last_of(const sheet *s, const spell *p, uint8_t kind, int64_t now) {
    int64_t found = -1, at = NO_TIME;
    for (int64_t i = p->first, end = p->first + p->events; i < end; i++) {
        if (s->book->kind[s->code[i]] != kind || later(s->time[i], s->recorded[i]) > now) continue;
        const int own = s->owner[i] == NO_SPELL ? s->time[i] >= p->start
                                                : s->owner[i] != ANOTHER_SPELL;
        if (own && s->time[i] >= at) at = s->time[i], found = s->code[i];
    }
    return found;
}

/* Set what follows `events` of a spell, while codes are still numbers of the book. */
static void judge(const sheet *s, spell *p, int64_t now) {
    p->ignored = 0;
    p->bad_code = -1;
    p->newest = NO_TIME;
    for (int64_t i = p->first, end = p->first + p->events; i < end; i++) {
        const int64_t visible = later(s->time[i], s->recorded[i]);
        const double low = s->book->low[s->code[i]], high = s->book->high[s->code[i]];
        const double value = (double)s->value[i];
        if (visible > now) {
            p->ignored++;
            continue;
        }
        p->newest = later(p->newest, visible);
        if (p->bad_code < 0 && (value < low || value > high || low > high))
            p->bad_code = s->code[i];
    }
    p->verdict = admission(s, p, now);
    if (p->verdict == ASKED && p->bad_code >= 0) p->verdict = BAD_VALUE;
    p->site = last_of(s, p, SITE, now);
    p->ward = last_of(s, p, WARD, now);
}
