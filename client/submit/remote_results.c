/* Rows of a SELECT over REST: POST /jobs/:jobid/coordinators/:operatorUid; see result_fetcher.h. */
#include "client/submit/rest_client.h"
#include "client/submit/result_fetcher.h"

struct rest_results {
    struct rest_client *client; /* Borrows */
    char *path;                 /* Owns; of requests */
    char *cancel_path;          /* Owns */
};

/* A uid may hold anything; what is no letter, digit, '-', '_', '.' or '~' is escaped. */
static void append_escaped(struct str *out, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c != '\0' && strchr("-_.~", c) != NULL);
        if (plain) {
            str_append_char(out, (char)c);
        } else {
            str_printf(out, "%%%02X", c);
        }
    }
}

struct rest_results *rest_results_new(struct rest_client *client, const char *job_hex,
                                      const char *operator_uid)
{
    struct rest_results *r = MEM_NEW(struct rest_results);
    struct str path = STR_INIT;

    r->client = client;
    str_printf(&path, "/jobs/%s?mode=cancel", job_hex);
    r->cancel_path = str_take(&path);
    str_printf(&path, "/jobs/%s/coordinators/", job_hex);
    append_escaped(&path, operator_uid);
    r->path = str_take(&path);
    return r;
}

struct rest_results *rest_results_free(struct rest_results *r)
{
    if (r != NULL) {
        mem_free(r->path);
        mem_free(r->cancel_path);
        mem_free(r);
    }
    return NULL;
}

/* The client has time-outs of its own (rest.idleness-timeout). */
static int ask(void *arg, struct slice request, int64_t timeout_ms, struct str *ret_answer,
               struct error *err)
{
    struct rest_results *r = arg;

    (void)timeout_ms;
    return rest_client_exchange(r->client, r->path, request, ret_answer, err);
}

static int cancel(void *arg, struct error *err)
{
    struct rest_results *r = arg;

    return rest_client_request(r->client, "PATCH", r->cancel_path, SLICE_LIT(""), NULL, err);
}

struct result_source result_source_rest(struct rest_results *r)
{
    return (struct result_source){.arg = r, .ask = ask, .cancel = cancel};
}
