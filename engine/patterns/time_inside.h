/* What the files of time patterns share.  Inside the room only. */
#ifndef FLINC_ENGINE_PATTERNS_TIME_INSIDE_H
#define FLINC_ENGINE_PATTERNS_TIME_INSIDE_H

#include "engine/patterns/time_pattern.h"

/* A letter with its count; a text; the begin or the end of an optional part. */
struct time_item {
    char letter;       /* 0: a text; '[', ']' */
    uint8_t width;     /* how often the letter stands there */
    uint8_t reserved;  /* digits that the fixed numbers right behind it take */
    bool is_number;    /* digits on both sides */
    bool is_adjacent;  /* another number follows directly */
    uint16_t end;      /* of [: the item of its ] */
    struct slice text; /* Borrows: pattern->text */
};

struct time_pattern {
    enum time_dialect dialect;
    uint32_t n;
    size_t max_bytes;
    char *text; /* Owns: texts of items */
    struct time_item items[TIME_PATTERN_ITEMS_MAX];
};

extern const char *const time_month_names[12];
extern const char *const time_day_names[7]; /* from Monday */
/* US weeks: Sunday first; the week with January 1 is 1.  *ret_year: the year that the week belongs to. */
int32_t time_week_of_year(int64_t days, int32_t *ret_year);
/* Digits that a letter takes, no more and no less; 0: as many as there are. */
uint32_t time_item_fixed_width(const struct time_item *item);

#endif
