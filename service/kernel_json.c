/* Texts, numbers and null of JSON (RFC 8259), bounded by the end of the body; part of kernel.c. */

static void skip(reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
        r->at++;
}

/* Step over a mark, spaces before it included; 0 where something else stands. */
static int take(reader *r, uint8_t mark) {
    skip(r);
    if (r->at >= r->end || *r->at != mark) return 0;
    r->at++;
    return 1;
}

static int take_null(reader *r) {
    skip(r);
    if (r->end - r->at < 4 || memcmp(r->at, "null", 4)) return 0;
    r->at += 4;
    return 1;
}

/* ---- texts ----------------------------------------------------------------------------------- */

/* Where the characters of a text stand. */
static const uint8_t *written(const sheet *s, const text *t) {
    return t->begin < s->size ? s->body + t->begin : s->room + (t->begin - s->size);
}

/* Size of a well-formed UTF-8 sequence of more than one byte, 0 if it is none (RFC 3629). */
static int sequence(const uint8_t *at, const uint8_t *end) {
    const uint8_t first = *at;
    const int size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || end - at < size) return 0;
    for (int k = 1; k < size; k++)
        if ((at[k] & 0xc0) != 0x80) return 0;
    if (first == 0xe0 && at[1] < 0xa0) return 0; /* longer than need be */
    if (first == 0xed && at[1] > 0x9f) return 0; /* half of a surrogate pair */
    if (first == 0xf0 && at[1] < 0x90) return 0;
    if (first == 0xf4 && at[1] > 0x8f) return 0; /* beyond Unicode */
    return size;
}

static int is_control(uint32_t character) {
    return character < 0x20 || (character >= 0x7f && character <= 0x9f);
}

static int read_hex(reader *r, uint32_t *unit) {
    *unit = 0;
    if (r->end - r->at < 4) return 0;
    for (int k = 0; k < 4; k++) {
        const uint8_t c = *r->at++, low = c | 0x20;
        if (c >= '0' && c <= '9') *unit = *unit << 4 | (uint32_t)(c - '0');
        else if (low >= 'a' && low <= 'f') *unit = *unit << 4 | (uint32_t)(low - 'a' + 10);
        else return 0;
    }
    return 1;
}

/* The character of an escape, after its backslash. */
static int read_escape(reader *r, uint32_t *character) {
    static const char marks[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    uint32_t low;
    if (r->at >= r->end) return 0;
    const uint8_t mark = *r->at++;
    if (mark != 'u') {
        const char *const found = mark ? strchr(marks, mark) : NULL;
        if (!found) return 0;
        *character = (uint8_t)meant[found - marks];
        return 1;
    }
    if (!read_hex(r, character)) return 0;
    if (*character < 0xd800 || *character > 0xdfff) return 1;
    if (*character > 0xdbff || r->end - r->at < 2 || r->at[0] != '\\' || r->at[1] != 'u') return 0;
    r->at += 2;
    if (!read_hex(r, &low) || low < 0xdc00 || low > 0xdfff) return 0;
    *character = 0x10000 + ((*character - 0xd800) << 10) + (low - 0xdc00);
    return 1;
}

/* Write a character in UTF-8: never more bytes than its escape had. */
static void write_character(sheet *s, uint32_t c) {
    uint8_t *const to = s->room + s->room_used;
    if (c < 0x80) {
        to[0] = (uint8_t)c;
        s->room_used += 1;
    } else if (c < 0x800) {
        to[0] = (uint8_t)(0xc0 | c >> 6), to[1] = (uint8_t)(0x80 | (c & 0x3f));
        s->room_used += 2;
    } else if (c < 0x10000) {
        to[0] = (uint8_t)(0xe0 | c >> 12), to[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        to[2] = (uint8_t)(0x80 | (c & 0x3f));
        s->room_used += 3;
    } else {
        to[0] = (uint8_t)(0xf0 | c >> 18), to[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
        to[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f)), to[3] = (uint8_t)(0x80 | (c & 0x3f));
        s->room_used += 4;
    }
}

/* The rest of a text from its first escape on; what came before goes into the room first. */
static int read_escaped(reader *r, text *t) {
    sheet *const s = r->out;
    const int64_t before = r->at - s->body - t->begin;
    memcpy(s->room + s->room_used, s->body + t->begin, (size_t)before);
    t->begin = s->size + s->room_used;
    s->room_used += before;
    while (r->at < r->end) {
        const uint8_t c = *r->at;
        uint32_t character = c;
        if (c == '"') {
            r->at++;
            t->end = s->size + s->room_used;
            return 1;
        }
        t->characters++;
        if (c >= 0x80) {
            const int size = sequence(r->at, r->end);
            if (!size) return 0;
            t->ascii = 0;
            t->controls |= c == 0xc2 && r->at[1] < 0xa0;
            memcpy(s->room + s->room_used, r->at, (size_t)size);
            s->room_used += size;
            r->at += size;
            continue;
        }
        if (c < 0x20) return 0;
        r->at++;
        if (c == '\\' && !read_escape(r, &character)) return 0;
        t->controls |= is_control(character);
        t->ascii &= character < 0x80;
        write_character(s, character);
    }
    return 0;
}

static int read_text(reader *r, text *t) {
    if (!take(r, '"')) return 0;
    *t = (text){.begin = r->at - r->out->body, .ascii = 1};
    while (r->at < r->end) {
        const uint8_t c = *r->at;
        if (c == '"') {
            t->end = r->at++ - r->out->body;
            return 1;
        }
        if (c == '\\') return read_escaped(r, t);
        if (c < 0x20) return 0;
        t->characters++;
        if (c < 0x7f) {
            r->at++;
            continue;
        }
        const int size = c == 0x7f ? 1 : sequence(r->at, r->end);
        if (!size) return 0;
        t->ascii &= c == 0x7f;
        t->controls |= c == 0x7f || (c == 0xc2 && r->at[1] < 0xa0);
        r->at += size;
    }
    return 0;
}

/* ---- identifiers ----------------------------------------------------------------------------- */

/* Whether a text may stand for a spell or a patient: no control characters, and not ten digits with
 * the check digit of an NHS number, spaces and hyphens left out (service/identifiers.py). Ten
 * characters that may be digits of other scripts are doubtful. */
static int is_identifier(reader *r, const uint8_t *from, const text *t) {
    const int64_t size = t->end - t->begin;
    int32_t characters = 0, sum = 0, last = 0, strange = 0;
    if (t->controls) return 0;
    if (t->characters < 10 || (uint8_t)((from[0] | 0x20) - 'a') < 26) return 1;
    for (int64_t k = 0; k < size; k++) {
        const uint8_t c = from[k];
        if (c == ' ' || c == '-') continue;
        if (c >= 0x80) {
            strange = 1;
            characters += (c & 0xc0) != 0x80;
            continue;
        }
        if (c < '0' || c > '9') return 1;
        last = c - '0';
        if (characters < 9) sum += last * (10 - characters);
        characters++;
    }
    if (characters != 10) return 1;
    r->doubtful |= strange;
    return strange || (11 - sum % 11) % 11 != last;
}

/* ---- numbers --------------------------------------------------------------------------------- */

static locale_t plain_locale; /* in which a decimal point is a point, whatever the process speaks */

__attribute__((constructor)) static void start(void) {
    plain_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

#define LARGEST 3e38 /* as in service/wire.py */
#define MOST_EXACT 9007199254740992u /* 2**53 */
static const double TENS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                              1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static int is_digit(const reader *r) { return r->at < r->end && *r->at >= '0' && *r->at <= '9'; }

/* Digits into a whole number, as long as they fit; how many were read. */
static int64_t read_digits(reader *r, uint64_t *whole, int *fits) {
    const uint8_t *const from = r->at;
    for (; is_digit(r); r->at++) {
        *fits &= *whole < 1000000000000000000u;
        if (*fits) *whole = *whole * 10 + (uint64_t)(*r->at - '0');
    }
    return r->at - from;
}

/* The exponent of a number after its e, capped: beyond, all is 0 or far too large. */
static int read_exponent(reader *r, int64_t *exponent) {
    const int minus = r->at < r->end && *r->at == '-';
    int64_t power = 0;
    if (r->at < r->end && (*r->at == '-' || *r->at == '+')) r->at++;
    if (!is_digit(r)) return 0;
    for (; is_digit(r); r->at++)
        if (power < 100000) power = power * 10 + (*r->at - '0');
    *exponent += minus ? -power : power;
    return 1;
}

/* A number, correctly rounded. Few digits and a small power of ten are exact in doubles, so that one
 * product or quotient rounds right (Clinger 1990); the rest is the C library's. */
static int read_number(reader *r, double *value) {
    skip(r);
    const uint8_t *const from = r->at;
    const int minus = r->at < r->end && *r->at == '-';
    uint64_t whole = 0;
    int fits = 1, integer = 1;
    int64_t exponent = 0;
    r->at += minus;
    if (!is_digit(r)) return 0;
    if (*r->at == '0') r->at++;
    else read_digits(r, &whole, &fits);
    if (r->at < r->end && *r->at == '.') {
        r->at++;
        integer = 0;
        const int64_t digits = read_digits(r, &whole, &fits);
        if (!digits) return 0;
        exponent = -digits;
    }
    if (r->at < r->end && (*r->at | 0x20) == 'e') {
        r->at++;
        integer = 0;
        if (!read_exponent(r, &exponent)) return 0;
    }
    /* an event goes on after a number: the library stops where the number does */
    if (r->at >= r->end || !strchr(" \t\n\r,}", *r->at) || !*r->at) return 0;
    if (fits && whole <= MOST_EXACT && exponent >= -22 && exponent <= 22) {
        const double digits = (double)whole;
        *value = exponent < 0 ? digits / TENS[-exponent] : digits * TENS[exponent];
        if (minus) *value = -*value;
    } else {
        *value = strtod_l((const char *)from, NULL, plain_locale);
    }
    if (integer && *value == 0.0) *value = 0.0; /* as a whole number zero has no sign */
    return *value >= -LARGEST && *value <= LARGEST;
}
