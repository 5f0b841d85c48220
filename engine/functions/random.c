/* Random values: RAND and RAND_INTEGER by the generator of java.util.Random, UUID. */
#include "engine/functions/functions.h"

#include <inttypes.h>
#include <sys/random.h>

/* ---- java.util.Random: 48 bits, linear congruential -------------------------------------------------- */

struct generator {
    uint64_t bits;
};

static void generator_seed(struct generator *g, int64_t seed)
{
    g->bits = ((uint64_t)seed ^ UINT64_C(0x5deece66d)) & ((UINT64_C(1) << 48) - 1);
}

static int32_t generator_next(struct generator *g, int n)
{
    g->bits = (g->bits * UINT64_C(0x5deece66d) + 11) & ((UINT64_C(1) << 48) - 1);
    return (int32_t)(uint32_t)(g->bits >> (48 - n));
}

static double next_double(struct generator *g)
{
    const int64_t high = generator_next(g, 26);
    return (double)((high << 27) + generator_next(g, 27)) * 0x1.0p-53;
}

static int32_t next_below(struct generator *g, int32_t bound)
{
    int32_t bits, value;
    if ((bound & -bound) == bound) {
        return (int32_t)(((int64_t)bound * generator_next(g, 31)) >> 31);
    }
    do {
        bits = generator_next(g, 31);
        value = bits % bound;
    } while ((int64_t)bits - value + (bound - 1) > INT32_MAX);
    return value;
}

/* ---- RAND, RAND_INTEGER ----------------------------------------------------------------------------- */

/* A literal seed counts once per program, another one in each row. */
struct random_state {
    struct generator generator;
    bool has_literal;
};

static int64_t entropy(void)
{
    int64_t v = 0;
    if (getrandom(&v, sizeof(v), 0) != (ssize_t)sizeof(v)) {
        v ^= (int64_t)(uintptr_t)&v;
    }
    return v;
}

static int bind_random(struct expr_binding *b, struct error *err)
{
    struct random_state *s = arena_zalloc(b->arena, sizeof(*s));
    const uint32_t n_unseeded = strcmp(b->call->function->name, "RAND") == 0 ? 0 : 1;
    const bool is_seeded = b->call->n_args > n_unseeded;
    const struct expr *seed = is_seeded ? b->call->args[0] : NULL;
    s->has_literal = seed == NULL || seed->kind == EXPR_LITERAL;
    if (seed == NULL || (s->has_literal && seed->value.is_null)) {
        generator_seed(&s->generator, entropy());
    } else if (s->has_literal) {
        generator_seed(&s->generator, seed->value.integer);
    }
    b->state = s;
    return 0;
}

static void reseed(struct expr_frame *f, struct random_state *s, uint32_t row)
{
    if (!s->has_literal) {
        generator_seed(&s->generator, expr_int(f, 0, row));
    }
}

static int run_rand(struct expr_frame *f, struct error *err)
{
    struct random_state *s = f->state;
    for (EXPR_ROWS(f, row)) {
        reseed(f, s, row);
        expr_put_real(f, row, next_double(&s->generator));
    }
    return 0;
}

static int run_rand_integer(struct expr_frame *f, struct error *err)
{
    struct random_state *s = f->state;
    for (EXPR_ROWS(f, row)) {
        const int64_t bound = expr_int(f, f->n_args - 1, row);
        if (bound <= 0) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "RAND_INTEGER: the bound must be positive, not %" PRId64, bound);
        }
        reseed(f, s, row);
        expr_put_int(f, row, next_below(&s->generator, (int32_t)bound));
    }
    return 0;
}

/* ---- UUID ------------------------------------------------------------------------------------------- */

static int run_uuid(struct expr_frame *f, struct error *err)
{
    static const char hex[] = "0123456789abcdef";
    for (EXPR_ROWS(f, row)) {
        uint8_t bytes[16];
        char text[36];
        size_t at = 0;
        if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
            return error_set(err, ERR_UNAVAILABLE, "UUID: the system has no random bytes");
        }
        bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
        bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
        for (size_t i = 0; i < sizeof(bytes); i++) {
            if (i == 4 || i == 6 || i == 8 || i == 10) {
                text[at++] = '-';
            }
            text[at++] = hex[bytes[i] >> 4];
            text[at++] = hex[bytes[i] & 15];
        }
        expr_put_bytes(f, row, slice_make(text, sizeof(text)));
    }
    return 0;
}

/* ---- rows ------------------------------------------------------------------------------------------- */

static const struct expr_function rows[] = {
    {.name = "RAND",
     .signatures = " | INT",
     .result = "DOUBLE",
     .flags = EXPR_FN_VOLATILE,
     .bind = bind_random,
     .kernel = run_rand,
     .category = "arithmetic",
     .text = "A random number from 0 to less than 1; with a seed always the same ones, as Java has "
             "them.",
     .example = "RAND() < 1 -- TRUE"},
    {.name = "RAND_INTEGER",
     .signatures = "INT | INT, INT",
     .result = "INT",
     .flags = EXPR_FN_VOLATILE | EXPR_FN_CAN_FAIL,
     .bind = bind_random,
     .kernel = run_rand_integer,
     .category = "arithmetic",
     .text = "A random whole number from 0 to less than the bound, which is the last argument; the "
             "first of two is a seed.",
     .example = "RAND_INTEGER(10) < 10 -- TRUE"},
    {.name = "UUID",
     .signatures = "",
     .result = "CHAR(36) NOT NULL",
     .flags = EXPR_FN_VOLATILE | EXPR_FN_CAN_FAIL,
     .kernel = run_uuid,
     .category = "arithmetic",
     .text = "A random identifier of version 4.",
     .example = "CHAR_LENGTH(UUID()) -- 36"},
};

const struct expr_functions functions_random = FUNCTIONS_TABLE(rows);
