/* Options of a benchmark, from the command line: a table of their names over a struct with their defaults.
 * --help prints both; what is not in the table ends the program with 2. */
#ifndef FLINC_BENCH_OPTIONS_H
#define FLINC_BENCH_OPTIONS_H

#include "common/base/macros.h"
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum bench_option_kind {
    BENCH_NUMBER, /* uint64_t */
    BENCH_MB,     /* uint64_t, in bytes; given in MB */
    BENCH_REAL,   /* double */
    BENCH_TEXT,   /* const char * */
    BENCH_FLAG,   /* uint64_t: 1 when it is given */
};

struct bench_option {
    const char *name; /* without -- */
    enum bench_option_kind kind;
    size_t at; /* in the struct of the options */
    const char *help;
};

/* A row of the table; `member` of `type`. */
#define BENCH_OPTION(name, kind, type, member, help)     \
    {                                                    \
        name, BENCH_##kind, offsetof(type, member), help \
    }

struct bench_options {
    const char *program, *summary;
    const struct bench_option *table;
    size_t n;
    const void *defaults;
};

static inline void bench_options_usage(const struct bench_options *b)
{
    printf("usage: %s [OPTION...]\n\n%s\n\n", b->program, b->summary);
    for (size_t i = 0; i < b->n; i++) {
        const struct bench_option *o = &b->table[i];
        const void *value = (const char *)b->defaults + o->at;
        printf("  --%-18s %s", o->name, o->help);
        if (o->kind == BENCH_NUMBER) {
            printf(" (%" PRIu64 ")", *(const uint64_t *)value);
        } else if (o->kind == BENCH_MB) {
            printf(" (%" PRIu64 ")", *(const uint64_t *)value >> 20);
        } else if (o->kind == BENCH_TEXT && *(const char *const *)value != NULL) {
            printf(" (%s)", *(const char *const *)value);
        }
        printf("\n");
    }
}

static inline const struct bench_option *bench_option_find(const struct bench_options *b,
                                                           const char *argument)
{
    for (size_t i = 0; strncmp(argument, "--", 2) == 0 && i < b->n; i++) {
        if (strcmp(argument + 2, b->table[i].name) == 0) {
            return &b->table[i];
        }
    }
    return NULL;
}

/* *ret, of the defaults' type and with their values, gets what the command line has. */
static inline void bench_options_parse(const struct bench_options *b, void *ret, int argc,
                                       char **argv)
{
    for (int i = 1; i < argc; i++) {
        const struct bench_option *o = bench_option_find(b, argv[i]);
        if (o == NULL || (o->kind != BENCH_FLAG && i + 1 == argc)) {
            bench_options_usage(b);
            exit(strcmp(argv[i], "--help") == 0 ? 0 : 2);
        }
        void *to = (char *)ret + o->at;
        const char *value = o->kind == BENCH_FLAG ? "1" : argv[++i];
        if (o->kind == BENCH_TEXT) {
            *(const char **)to = value;
        } else if (o->kind == BENCH_REAL) {
            *(double *)to = strtod(value, NULL);
        } else {
            *(uint64_t *)to = strtoull(value, NULL, 10) << (o->kind == BENCH_MB ? 20 : 0);
        }
    }
}

#endif
