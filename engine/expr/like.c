/* See like.h.  Thread: any. */
#include "engine/expr/like.h"
#include "common/base/vec.h"
#include "common/text/utf8.h"

/* ---- compiling -------------------------------------------------------------------------------------- */

struct compiler {
    struct arena *arena;
    struct vec pieces;
    char *bytes;  /* of all pieces, one behind the other */
    uint8_t *any; /* beside them */
    size_t n, piece_start;
    bool has_any;
};

static void end_piece(struct compiler *c)
{
    struct like_piece *piece = VEC_PUSH(&c->pieces, struct like_piece);
    bool has_any = memchr(c->any + c->piece_start, 1, c->n - c->piece_start) != NULL;
    piece->text = slice_make(c->bytes + c->piece_start, c->n - c->piece_start);
    piece->any = has_any ? c->any + c->piece_start : NULL;
    c->has_any = c->has_any || has_any;
    c->piece_start = c->n;
}

static size_t char_size(struct slice text, size_t at)
{
    uint32_t point;
    size_t n = utf8_decode(text.data + at, text.len - at, &point);
    return MAX(n, (size_t)1);
}

static int check_escape(struct slice escape, struct error *err)
{
    if (escape.data != NULL && (escape.len == 0 || char_size(escape, 0) != escape.len)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Invalid escape character '%.*s': it is one character",
                         (int)MIN(escape.len, (size_t)40), escape.data);
    }
    return 0;
}

static bool is_escape(struct slice pattern, size_t at, struct slice escape)
{
    return escape.data != NULL && pattern.len - at >= escape.len &&
           memcmp(pattern.data + at, escape.data, escape.len) == 0;
}

static int compile(struct compiler *c, struct slice pattern, struct slice escape, struct error *err)
{
    for (size_t i = 0; i < pattern.len;) {
        bool escaped = is_escape(pattern, i, escape);
        if (escaped) {
            i += escape.len;
            bool is_fine = i < pattern.len && (pattern.data[i] == '%' || pattern.data[i] == '_' ||
                                               is_escape(pattern, i, escape));
            if (!is_fine) {
                return error_set(err, ERR_INVALID_ARGUMENT,
                                 "Invalid escape sequence in '%.*s', position %zu",
                                 (int)MIN(pattern.len, (size_t)200), pattern.data,
                                 utf8_count(pattern.data, i - escape.len));
            }
        }
        if (!escaped && pattern.data[i] == '%') {
            if (c->n > c->piece_start || c->pieces.len == 0) {
                end_piece(c); /* %% is % */
            }
            i++;
            continue;
        }
        size_t size = char_size(pattern, i);
        memcpy(c->bytes + c->n, pattern.data + i, size);
        memset(c->any + c->n, !escaped && pattern.data[i] == '_', size);
        c->n += size;
        i += size;
    }
    end_piece(c);
    return 0;
}

int like_compile(struct slice pattern, struct slice escape, struct arena *arena,
                 struct like_pattern *ret, struct error *err)
{
    if (pattern.len > LIKE_PATTERN_MAX) {
        return error_set(err, ERR_TOO_LARGE,
                         "A pattern of LIKE of %zu bytes: at most %d are allowed", pattern.len,
                         LIKE_PATTERN_MAX);
    }
    TRY(check_escape(escape, err));
    struct compiler c = {
        .arena = arena,
        .bytes = arena_alloc(arena, pattern.len + 1),
        .any = arena_zalloc(arena, pattern.len + 1),
    };
    vec_init(&c.pieces, sizeof(struct like_piece));
    int rc = compile(&c, pattern, escape, err);
    if (rc == 0) {
        ret->n = (uint32_t)c.pieces.len;
        ret->pieces = arena_alloc(arena, c.pieces.len * sizeof(struct like_piece));
        memcpy(ret->pieces, c.pieces.data, c.pieces.len * sizeof(struct like_piece));
        ret->is_plain = !c.has_any;
    }
    vec_fini(&c.pieces);
    return rc;
}

/* ---- matching --------------------------------------------------------------------------------------- */

static bool is_line_end(struct slice text, size_t at, size_t size)
{
    char c = text.data[at];
    return c == '\n' || c == '\r' || (size == 2 && memcmp(text.data + at, "\xc2\x85", 2) == 0) ||
           (size == 3 && (memcmp(text.data + at, "\xe2\x80\xa8", 3) == 0 ||
                          memcmp(text.data + at, "\xe2\x80\xa9", 3) == 0));
}

/* Bytes of `text` from `at` on that the piece takes; SIZE_MAX: it does not match there. */
static size_t match_here(const struct like_piece *p, struct slice text, size_t at)
{
    size_t start = at;
    if (p->any == NULL) {
        return text.len - at >= p->text.len &&
                       memcmp(text.data + at, p->text.data, p->text.len) == 0
                   ? p->text.len
                   : SIZE_MAX;
    }
    for (size_t i = 0; i < p->text.len; i++) {
        if (at == text.len) {
            return SIZE_MAX;
        }
        if (p->any[i]) {
            size_t size = char_size(text, at);
            if (is_line_end(text, at, size)) {
                return SIZE_MAX;
            }
            at += size;
        } else if (text.data[at++] != p->text.data[i]) {
            return SIZE_MAX;
        }
    }
    return at - start;
}

/* Where the piece is first found from `at` on; the size that it takes there in *ret_size.  SIZE_MAX: nowhere. */
static size_t find(const struct like_piece *p, struct slice text, size_t at, size_t *ret_size)
{
    if (p->any == NULL) {
        const char *found = memmem(text.data + at, text.len - at, p->text.data, p->text.len);
        *ret_size = p->text.len;
        return found != NULL ? (size_t)(found - text.data) : SIZE_MAX;
    }
    for (; at < text.len; at += char_size(text, at)) {
        *ret_size = match_here(p, text, at);
        if (*ret_size != SIZE_MAX) {
            return at;
        }
    }
    return SIZE_MAX;
}

/* The piece behind the last %, which ends with the text and begins at `least` or later. */
static bool matches_end(const struct like_piece *p, struct slice text, size_t least)
{
    if (p->any == NULL) {
        return text.len - least >= p->text.len &&
               memcmp(text.data + text.len - p->text.len, p->text.data, p->text.len) == 0;
    }
    /* As many characters from the end as the piece has. */
    size_t at = text.len, n = 0;
    for (size_t i = 0; i < p->text.len; i++) {
        n += p->any[i] || (p->text.data[i] & 0xc0) != 0x80;
    }
    for (; n > 0 && at > least; n--) {
        do {
            at--;
        } while (at > least && (text.data[at] & 0xc0) == 0x80);
    }
    return n == 0 && match_here(p, text, at) == text.len - at;
}

bool like_matches(const struct like_pattern *pattern, struct slice text)
{
    const struct like_piece *pieces = pattern->pieces;
    size_t at = match_here(&pieces[0], text, 0);
    if (at == SIZE_MAX || pattern->n == 1) {
        return at == text.len;
    }
    for (uint32_t i = 1; i + 1 < pattern->n; i++) {
        size_t size = 0;
        size_t found = find(&pieces[i], text, at, &size);
        if (found == SIZE_MAX) {
            return false;
        }
        at = found + size;
    }
    return matches_end(&pieces[pattern->n - 1], text, at);
}
