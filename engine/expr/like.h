/* LIKE: a pattern compiled once, matched often.
 *
 * % is any run of characters, line ends included, _ is one character (a code point) that is no line end; the whole text must
 * match, with regard to case.  Without an escape a backslash is a character like others.
 * Patterns without _ that have at most two runs of text are comparisons of ends and searches; others go from % to %,
 * and need no more than one step back.  Flink: SqlLikeUtils, its chain checkers.  Thread: any, once compiled. */
#ifndef FLINC_ENGINE_EXPR_LIKE_H
#define FLINC_ENGINE_EXPR_LIKE_H

#include "common/base/str.h"

enum { LIKE_PATTERN_MAX = 65536 }; /* bytes */

/* Text between two %: characters, some of them _. */
struct like_piece {
    struct slice text;  /* in the arena; bytes, without escapes */
    const uint8_t *any; /* for each byte of text: 1 where it stands for _; NULL: there is none */
};

struct like_pattern {
    struct like_piece *pieces; /* n, of which those in the middle are not empty */
    uint32_t n;                /* 1: no %; else one more than there are runs of % */
    bool is_plain;             /* no _ */
};

/* `escape`: one character, or data NULL.  ERR_INVALID_ARGUMENT for an escape that is none, or that stands before something
 * else than %, _ and itself; ERR_TOO_LARGE.  Lies in the arena. */
int like_compile(struct slice pattern, struct slice escape, struct arena *arena,
                 struct like_pattern *ret, struct error *err) MUST_CHECK;
bool like_matches(const struct like_pattern *pattern, struct slice text);

#endif
