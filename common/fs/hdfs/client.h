/* Requests of WebHDFS: to the name node, from there to a data node, tried again and at the other name node, and their
 * failures in words.
 *
 *   struct hdfs_call call = {.method = "PUT", .op = "MKDIRS", .site = site, .path = "/a", ...};
 *   hdfs_call_run(client, &call, &err)             -- or hdfs_call_start() ... hdfs_call_wait(), many at a time
 *   ... call.x ...
 *   hdfs_call_fini(&call)
 *
 * A try begins at a name node.  Where that answers with a redirection (CREATE, OPEN), the bytes are the data node's, or, at
 * HttpFS, its own.  Tried again, `max_retries` of options: no answer, 5xx, a name node in safe mode or one that asks for it
 * (RetriableException); a standby one, or one that does not answer, is gone on from to the next at once.  Bytes of a source are
 * sent once.
 *
 * An answer may be lost although the server did what it was asked (call.is_uncertain): who asks for something that may not be
 * done twice looks at what is there.  Each try of an upload (`names_tries`) goes to a name of its own: what an earlier try still
 * does, at a data node that hangs, happens to a file that nobody refers to.
 *
 * Thread: any; a call belongs to one. */
#ifndef FLINC_COMMON_FS_HDFS_CLIENT_H
#define FLINC_COMMON_FS_HDFS_CLIENT_H

#include "common/base/thread.h"
#include "common/fs/hdfs/site.h"
#include "common/fs/remote/statistics.h"
#include "common/fs/remote/transfer.h"
#include "common/text/json.h"

enum { HDFS_PAIRS_MAX = 6, HDFS_REDIRECTS_MAX = 3, HDFS_URL_MAX = 16 * 1024 };

struct hdfs_client_options {
    const char *user; /* copied, as the next */
    const char *who;  /* for messages: the user, or whose tickets or token */
    const char
        *token_file;      /* of a delegation token, sent instead of the user; NULL: none; copied */
    bool negotiates;      /* Kerberos */
    uint32_t max_retries; /* of a request */
    int64_t connect_timeout_ms, idle_timeout_ms;
    uint32_t max_connections;
    const char *ca_file; /* NULL: the system's */
};
struct hdfs_client;
int hdfs_client_new(const struct hdfs_client_options *options, struct hdfs_client **ret_client,
                    struct error *err) MUST_CHECK;
struct hdfs_client *hdfs_client_free(struct hdfs_client *c); /* NULL is fine; returns NULL */

struct hdfs_pair {
    const char *name, *value;
};
struct hdfs_call {
    /* Given; borrowed until the call has ended. */
    struct hdfs_site *site;
    const char *method, *op, *path; /* absolute; "/" */
    struct hdfs_pair query[HDFS_PAIRS_MAX];
    uint32_t n_query;
    enum remote_kind kind;
    struct slice body;
    const struct exchange_source *source; /* instead of a body */
    uint8_t *sink;                        /* exchange.sink */
    size_t sink_size;
    bool names_tries;  /* the second try goes to "PATH-2" ... */
    const char *doing; /* "reading", for messages */
    /* What came of it. */
    struct exchange x;
    struct str exception, message; /* of an answer that is none; Own */
    struct str elsewhere;          /* why another name node was gone on from; Owns */
    struct str used_path;          /* of the last try; Owns */
    bool is_uncertain;             /* an earlier try may have been done */
    uint32_t n_tries;
    /* The client's. */
    struct hdfs_client *client;
    struct curl_slist *headers; /* Owns */
    struct str url;             /* Owns */
    uint32_t node,
        n_hops; /* the name node of this try; others that were gone on from since a pause */
    uint32_t n_redirects; /* of this try */
    struct event_count ended;
    _Atomic bool has_ended;
    bool is_started;
};
void hdfs_call_add(struct hdfs_call *call, const char *name, const char *value);
/* Negative: it was not started. */
int hdfs_call_start(struct hdfs_client *c, struct hdfs_call *call, struct error *err) MUST_CHECK;
bool hdfs_call_has_ended(const struct hdfs_call *call);
/* Its source has something again. */
void hdfs_call_poke(struct hdfs_call *call);
/* Nobody wants it any more: it ends with ERR_CANCELLED, soon. */
void hdfs_call_give_up(struct hdfs_call *call);
/* Waits.  0: an answer 2xx.  Else ERR_NOT_FOUND, ERR_ALREADY_EXISTS, ERR_PERMISSION, ERR_NO_SPACE (a quota), ERR_UNSUPPORTED,
 * ERR_INVALID_CONFIG (no WebHDFS there), ERR_UNAVAILABLE, ERR_TIMEOUT, ERR_IO, with the server, its words and what to do. */
int hdfs_call_wait(struct hdfs_call *call, struct error *err) MUST_CHECK;
int hdfs_call_run(struct hdfs_client *c, struct hdfs_call *call, struct error *err) MUST_CHECK;
/* Waits for one that is under way.  It may be started again afterwards with other arguments. */
void hdfs_call_fini(struct hdfs_call *call);
/* The answer as JSON; the caller frees it. */
int hdfs_call_json(const struct hdfs_call *call, struct json_node **ret_root,
                   struct error *err) MUST_CHECK;

/* ---- for tests --------------------------------------------------------------------------------------------- */

/* Bytes outside of unreserved ones as %XX; '/' stays when `keeps_slashes`. */
void hdfs_escape(struct str *out, struct slice text, bool keeps_slashes);

#endif
