/* What the files of the SDK share; see environment.h and include/flinc for what others see. */
#ifndef FLINC_SDK_INTERNAL_H
#define FLINC_SDK_INTERNAL_H

#include "engine/data/schema.h"
#include "proto/operators.pb-c.h"
#include "sdk/environment.h"

/* A source of a stream: an output of a node, and how its records travel on. */
struct stream_origin {
    uint32_t node, output;
    Flinc__Partitioner *partitioner; /* in the environment's arena; NULL: default */
};

struct flinc_stream {
    flinc_env *env;
    struct stream_origin *origins; /* several for a union; in the arena */
    uint32_t n_origins;
    struct stream_node *node; /* the operator whose settings flinc_name() and others change */
    const flinc_struct *type; /* a copy in the arena */
    struct schema *schema;    /* Borrows: kept by the environment */
    uint32_t *keys;           /* key columns of a keyed stream, in the arena */
    uint32_t n_keys;
    bool has_partitioner;
};

struct flinc_params {
    flinc_env *env;    /* Borrows: fails when a value is malformed */
    struct map values; /* key -> struct vec * of char * */
};

struct flinc_env {
    enum env_mode mode;
    bool one_job;
    const struct job_listener *listener;
    struct conf conf;    /* the cluster's, with the job's over it */
    struct map job_conf; /* what the job set: key -> char * */
    struct stream_graph graph;
    struct arena arena;         /* streams, structs, functions: until free */
    struct vec schemas;         /* refs */
    struct vec libraries;       /* Flinc__Library * in the arena */
    struct vec params;          /* flinc_params * */
    char *bundle_path;          /* Owns; resolved; NULL: no library has a name of its own */
    char *bundle_name;          /* Owns */
    struct flinc_stream broken; /* what builders return after an error */
    struct error err;           /* sticky */
    char *error_text;           /* Owns: err as flinc_env_error() shows it */
    uint32_t execute_calls;
    Flinc__JobGraph *captured;
    struct job_result result;
    struct rng rng;
};

/* Records the first error ("wordcount.c:12: ...") and returns the broken stream. */
flinc_stream *env_fail_at(flinc_env *env, flinc_place at, int code, const char *fmt, ...)
    PRINTF(4, 5);
/* The environment of a stream, or the thread's latest one for a NULL stream; NULL when neither. */
flinc_env *env_of(const flinc_stream *s);
/* True when `s` can be built upon; records an error for NULL and for streams of two environments. */
bool stream_usable(flinc_stream *s, const char *call, flinc_place at);
const char *env_location(flinc_env *env, flinc_place at);

/* Structs. */
const flinc_struct *env_copy_struct(flinc_env *env, const flinc_struct *type, const char *call,
                                    flinc_place at); /* NULL after an error */
struct schema *env_schema_of(flinc_env *env, const flinc_struct *type);
Flinc__StructDesc *env_struct_desc(flinc_env *env, const flinc_struct *type);

/* Functions. */
/* Adds .call (of `kind`), .open and .close to the node; 0 or negative with the error recorded. */
int env_add_function(flinc_env *env, struct stream_node *node, const flinc_function *fn,
                     flinc_fn_kind kind, const char *call, flinc_place at);
Flinc__FunctionRef *env_function_ref(flinc_env *env, const flinc_function *fn, flinc_fn_kind kind,
                                     const char *call, flinc_place at);

/* Encodes n C structs as the batches of an elements source, into the arena. */
int elements_encode(struct arena *arena, const struct schema *schema,
                    const Flinc__StructDesc *record, const void *elements, size_t n,
                    Flinc__ElementsSourceConfig *ret, struct error *err) MUST_CHECK;

/* Streams. */
flinc_stream *stream_of_node(flinc_env *env, struct stream_node *node, uint32_t output,
                             const flinc_struct *type, struct schema *schema);
void stream_connect(flinc_env *env, const flinc_stream *s, struct stream_node *to, uint32_t input,
                    flinc_place at);
/* A sink behind a stream. */
struct stream_node *stream_add_sink(flinc_stream *s, const char *kind, const char *name,
                                    flinc_place at);
/* Indexes of the named columns ("a, b") in the arena; 0 after an error. */
uint32_t stream_columns(flinc_stream *s, const char *columns, const char *call, flinc_place at,
                        uint32_t **ret_columns);
#define STREAM_SET_CONFIG(env, node, prefix, message)                 \
    do {                                                              \
        size_t size_ = prefix##__get_packed_size(message);            \
        uint8_t *bytes_ = arena_alloc(&(env)->arena, size_ + 1);      \
        prefix##__pack((message), bytes_);                            \
        stream_node_set_config(&(env)->graph, (node), bytes_, size_); \
    } while (0)

#endif
