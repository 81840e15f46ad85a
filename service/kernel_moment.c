/* Moments in RFC 3339 to microseconds since 1970 in UTC; part of kernel.c. */

#define SECOND 1000000LL
#define DAY (86400 * SECOND)
#define FIRST_YEAR (-25567 * DAY)  /* 1900-01-01, on the clock of the moment itself */
#define END_YEAR (84006 * DAY)     /* 2200-01-01 */

/* Two digits; -1 if they are none. */
static int two(const uint8_t *at) {
    const int tens = at[0] - '0', ones = at[1] - '0';
    return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1;
}

/* Days since 1970 of a civil date, 0 < year < 10000; `fine` is 0 where there is no such day. */
static int64_t days_of(int year, int month, int day, int *fine) {
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    const int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    *fine = year > 0 && month >= 1 && month <= 12 && day >= 1;
    if (!*fine) return 0;
    *fine = day <= before[month] - before[month - 1] + (leap && month == 2);
    const int64_t years = year - 1;
    return years * 365 + years / 4 - years / 100 + years / 400 - 719162 + before[month - 1]
         + (leap && month > 2) + day - 1;
}

/* Digits of a second's fraction: six count, the seventh rounds. */
static const uint8_t *read_fraction(const uint8_t *at, const uint8_t *end, int64_t *micros) {
    int64_t unit = SECOND;
    if (at >= end || *at != '.') return at;
    const uint8_t *const from = ++at;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        if (unit > 1) unit /= 10, *micros += unit * (*at - '0');
        else if (unit == 1) unit = 0, *micros += *at >= '5';
    }
    return at > from ? at : NULL;
}

/* Offset of a clock, +hh:mm or +hhmm; both ends of it checked. */
static int read_offset(const uint8_t *at, const uint8_t *end, int64_t *offset) {
    if (end - at == 1 && (*at | 0x20) == 'z') return *offset = 0, 1;
    if ((end - at != 6 && end - at != 5) || (*at != '+' && *at != '-')) return 0;
    if (end - at == 6 && at[3] != ':') return 0;
    const int hours = two(at + 1), minutes = two(end - 2);
    *offset = (hours * 60 + minutes) * 60 * SECOND * (*at == '-' ? -1 : 1);
    return hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60;
}

static int moment_in(const uint8_t *at, const uint8_t *end, int64_t *moment) {
    int fine;
    int64_t micros = 0, offset;
    if (end - at < 20 || at[4] != '-' || at[7] != '-' || at[13] != ':' || at[16] != ':') return 0;
    if (at[10] != 'T' && at[10] != 't' && at[10] != ' ') return 0;
    const int century = two(at), year = two(at + 2), month = two(at + 5), day = two(at + 8);
    const int hour = two(at + 11), minute = two(at + 14), second = two(at + 17);
    if (century < 0 || year < 0 || hour < 0 || minute < 0 || second < 0) return 0;
    if (hour > 23 || minute > 59 || second > 59) return 0;
    const int64_t days = days_of(century * 100 + year, month, day, &fine);
    at = read_fraction(at + 19, end, &micros);
    if (!fine || !at || !read_offset(at, end, &offset)) return 0;
    const int64_t local = days * DAY + ((hour * 60 + minute) * 60 + second) * SECOND + micros;
    *moment = local - offset;
    return local >= FIRST_YEAR && local < END_YEAR;
}

static int read_moment(reader *r, int64_t *moment) {
    text t;
    if (!read_text(r, &t)) return 0;
    const uint8_t *const from = written(r->out, &t);
    return moment_in(from, from + (t.end - t.begin), moment);
}
