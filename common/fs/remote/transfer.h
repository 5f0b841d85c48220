/* HTTP exchanges in flight: a thread of the process drives all of them, over connections that are kept.
 *
 *   exchange  -- filled by who asks, who keeps it and its body until `done` was called
 *   transfer  -- the thread and its connections
 *
 * Thread: transfer_start(), transfer_poke() any; `done` is called by the transfer's own, and may start again. */
#ifndef FLINC_COMMON_FS_REMOTE_TRANSFER_H
#define FLINC_COMMON_FS_REMOTE_TRANSFER_H

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/net/client/curl.h"

enum { TRANSFER_ANSWER_MAX = 32 * 1024 * 1024 }; /* bytes of an answer that has no sink */

struct transfer_options {
    int64_t connect_timeout_ms, idle_timeout_ms; /* without a byte */
    uint32_t max_connections;                    /* to a host */
    const char *ca_file;                         /* copied; NULL: the system's */
    const char *name;                            /* of the thread */
};

/* A body that is made while it is sent.  read() is called by the transfer's thread and never waits: 0 is the end,
 * TRANSFER_PAUSE that there is nothing yet (transfer_poke() when there is), TRANSFER_GIVE_UP that nobody wants it any more. */
enum { TRANSFER_PAUSE = -1, TRANSFER_GIVE_UP = -2 };
struct exchange_source {
    long (*read)(void *arg, char *buf, size_t size);
    void *arg;
};

struct exchange {
    const char *method; /* Borrows, as the next two; "HEAD" has no body in its answer */
    const char *url;
    struct curl_slist *headers;           /* Borrows */
    struct slice body;                    /* Borrows */
    const struct exchange_source *source; /* Borrows; instead of a body; NULL: none */
    bool negotiates;                      /* by SPNEGO, with the tickets of the process */
    _Atomic bool is_given_up;             /* by transfer_poke(): it ends with ERR_CANCELLED */
    uint8_t *sink;         /* Borrows; where the body of a good answer goes; NULL: to `answer` */
    size_t sink_size;      /* more than so much is an error */
    int64_t not_before_ns; /* of the monotonic clock */
    void (*done)(struct exchange *x);
    void *arg;
    /* What came of it. */
    int code; /* 0: an answer, whatever its status; else why there is none, with the text in `why` */
    struct error why;
    int status;
    size_t sink_used;
    bool was_sent; /* some of it, so that the server may have done it although there is no answer */
    uint64_t source_bytes; /* that were taken of the source */
    struct str answer;     /* Owns until exchange_fini() */
    struct str location;   /* the header; Owns as well */
    char no_ticket[256];   /* why there was none to negotiate with, as GSS says; "": there was */
    char etag[128], date[40], modified[40], region[40], writer[64]; /* headers; "": not there */
    char crc32c[16], checksum_algorithm[16];                        /* as well */
    uint64_t content_length;
    bool has_content_length;
    int32_t retry_after_s; /* -1: not said */
    /* The transfer's. */
    struct transfer *transfer;
    CURL *easy;
    char curl_message[CURL_ERROR_SIZE];
};
/* Empties what a former try left. */
void exchange_reset(struct exchange *x);
void exchange_fini(struct exchange *x);

struct transfer;
int transfer_new(const struct transfer_options *options, struct transfer **ret_transfer,
                 struct error *err) MUST_CHECK;
/* What is in flight ends with ERR_CANCELLED.  NULL is fine; returns NULL. */
struct transfer *transfer_free(struct transfer *t);
const struct curl_functions *transfer_curl(const struct transfer *t);
void transfer_start(struct transfer *t, struct exchange *x);
/* Its source has something again, or nobody wants it any more (is_given_up).  Harmless for one that has ended. */
void transfer_poke(struct transfer *t, struct exchange *x);

#endif
