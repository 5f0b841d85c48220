/* Requests, redirected and tried again (client.h). */
#include "common/fs/hdfs/client.h"

#include "common/base/log.h"
#include "common/fs/fs.h"
#include "common/fs/hdfs/failures.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static const char topic[] = "flinc.fs.hdfs";

enum { TOKEN_MAX = 16 * 1024 };

struct hdfs_client {
    struct hdfs_client_options options; /* strings Owned */
    struct transfer *transfer;          /* Owns */
    pthread_mutex_t lock;
    struct rng random; /* guarded by lock */
};

/* ---- addresses ------------------------------------------------------------------------------------------------ */

void hdfs_escape(struct str *out, struct slice text, bool keeps_slashes)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~' ||
            (c == '/' && keeps_slashes)) {
            str_append_char(out, (char)c);
        } else {
            str_printf(out, "%%%02X", c);
        }
    }
}

static void add_to_url(struct str *url, const char *name, const char *value)
{
    str_printf(url, "&%s=", name);
    hdfs_escape(url, slice_cstr(value), true);
}

/* A token that whoever made it may have replaced since. */
static int add_token(const struct hdfs_client *c, struct str *url, struct error *err)
{
    struct fs_input *in = NULL;
    char token[TOKEN_MAX];
    size_t n = 0;
    struct error why = ERROR_INIT;
    int rc = fs_open(c->options.token_file, FS_ACCESS_SEQUENTIAL, &in, &why);
    rc = rc == 0 ? fs_input_read_at(in, 0, token, sizeof(token) - 1, &n, &why) : rc;
    fs_input_close(in);
    if (rc < 0) { /* not that the file that was asked for is missing */
        return error_set(err, ERR_INVALID_CONFIG, "fs.hdfs.delegation-token-file: %s", why.message);
    }
    struct slice text = slice_trim(slice_make(token, n));
    str_append_cstr(url, "&delegation=");
    hdfs_escape(url, text, true);
    return 0;
}

static int make_url(struct hdfs_call *call, struct error *err)
{
    const struct hdfs_client *c = call->client;
    str_clear(&call->url);
    str_clear(&call->used_path);
    str_append_cstr(&call->used_path, call->path);
    if (call->names_tries && call->n_tries > 1) {
        str_printf(&call->used_path, "-%u", call->n_tries);
    }
    str_printf(&call->url, "%s/webhdfs/v1", call->site->nodes[call->node]);
    hdfs_escape(&call->url, str_slice(&call->used_path), true);
    str_printf(&call->url, "?op=%s", call->op);
    for (uint32_t i = 0; i < call->n_query; i++) {
        add_to_url(&call->url, call->query[i].name, call->query[i].value);
    }
    if (c->options.token_file != NULL) {
        return add_token(c, &call->url, err);
    }
    if (!c->options.negotiates) {
        add_to_url(&call->url, "user.name", c->options.user);
    }
    return 0;
}

/* ---- a try ------------------------------------------------------------------------------------------------------ */

/* "http://host:port" of an address. */
static struct slice server_of(const char *url)
{
    const char *rest = strstr(url, "://");
    rest = rest != NULL ? rest + 3 : url;
    return slice_make(url, (size_t)(rest - url) + strcspn(rest, "/?"));
}

static bool goes_by_redirect(const struct hdfs_call *call)
{
    return call->source != NULL || call->body.data != NULL || call->sink != NULL;
}

static void send_request(struct hdfs_call *call)
{
    struct hdfs_client *c = call->client;
    const struct curl_functions *curl = transfer_curl(c->transfer);
    bool has_bytes = call->n_redirects > 0 || !goes_by_redirect(call);
    struct slice server = server_of(str_cstr(&call->url));
    curl->slist_free_all(STEAL(call->headers));
    call->headers = curl->slist_append(NULL, "Expect:");
    call->headers = curl->slist_append(call->headers, "Content-Type: application/octet-stream");
    call->x.method = call->method;
    call->x.url = str_cstr(&call->url);
    call->x.headers = call->headers;
    call->x.body = has_bytes ? call->body : SLICE_LIT("");
    call->x.source = has_bytes ? call->source : NULL;
    call->x.sink = call->sink;
    call->x.sink_size = call->sink_size;
    /* A data node is told by the address who asks. */
    call->x.negotiates =
        c->options.negotiates && slice_eq_cstr(server, call->site->nodes[call->node]);
    transfer_start(c->transfer, &call->x);
}

static int begin_try(struct hdfs_call *call, struct error *err)
{
    call->n_redirects = 0;
    TRY(make_url(call, err));
    send_request(call);
    return 0;
}

/* The name node says where the bytes are; false: that is no address. */
static bool follow(struct hdfs_call *call)
{
    struct str *to = &call->x.location;
    if (call->n_redirects >= HDFS_REDIRECTS_MAX || to->len > HDFS_URL_MAX ||
        (!cstr_starts_with(str_cstr(to), "http://") &&
         !cstr_starts_with(str_cstr(to), "https://"))) {
        return false;
    }
    str_clear(&call->url);
    str_append_slice(&call->url, str_slice(to));
    call->n_redirects++;
    call->x.not_before_ns = 0;
    send_request(call);
    return true;
}

/* ---- what became of it -------------------------------------------------------------------------------------------- */

static bool is_good(const struct exchange *x)
{
    return x->code == 0 && x->status >= 200 && x->status < 300;
}

static bool is_redirect(const struct exchange *x)
{
    return x->code == 0 && (x->status == 307 || x->status == 308 || x->status == 302) &&
           x->location.len > 0;
}

static void take_words(struct hdfs_call *call)
{
    JSON_AUTO root = NULL;
    const char *exception = NULL, *message = NULL;
    str_clear(&call->exception);
    str_clear(&call->message);
    if (call->x.code < 0 || is_good(&call->x) || call->x.answer.len == 0 ||
        json_parse(str_slice(&call->x.answer), NULL, &root, NULL) < 0 ||
        json_node_type(root) != JSON_TYPE_OBJECT) {
        return;
    }
    const struct json_node *e = json_node_find(root, "RemoteException");
    if (e == NULL || json_node_type(e) != JSON_TYPE_OBJECT ||
        json_member_string(e, "exception", JSON_OPTIONAL, &exception, NULL) < 0 ||
        json_member_string(e, "message", JSON_OPTIONAL, &message, NULL) < 0) {
        return;
    }
    str_append_cstr(&call->exception, exception != NULL ? exception : "");
    const char *text = message != NULL ? message : "";
    str_append(&call->message, text, strcspn(text, "\n")); /* a trace of Java's is for its makers */
}

static void count_end(const struct hdfs_call *call)
{
    const struct exchange *x = &call->x;
    bool good = is_good(x);
    enum error_code code = good ? ERR_OK : hdfs_failure_code(call);
    bool is_expected = good || code == ERR_NOT_FOUND || code == ERR_ALREADY_EXISTS;
    remote_count_end(
        &hdfs_counters,
        &(struct remote_ended){.bytes_read = good ? x->sink_used : 0,
                               .bytes_written = good ? call->body.len + x->source_bytes : 0,
                               .has_failed = !is_expected});
}

static void finish(struct hdfs_call *call)
{
    if (call->x.code == 0 && call->x.status != 0 && is_good(&call->x)) {
        atomic_store(&call->site->active, call->node);
    }
    count_end(call);
    atomic_store(&call->has_ended, true);
    event_count_signal(&call->ended);
}

/* Plans the next try: when, and at which name node; false: there is none. */
static bool plan_again(struct hdfs_call *call, enum hdfs_verdict verdict)
{
    struct hdfs_client *c = call->client;
    STR_AUTO why = STR_INIT;
    STR_AUTO server = STR_INIT;
    if (verdict == HDFS_FAILED || call->x.source_bytes > 0) {
        return false;
    }
    hdfs_failure_words(call, &why);
    str_append_slice(&server, server_of(str_cstr(&call->url)));
    bool hops = verdict == HDFS_OTHER_NODE && call->n_hops + 1 < call->site->n_nodes;
    if (verdict == HDFS_OTHER_NODE) {
        call->node = (call->node + 1) % call->site->n_nodes;
    }
    call->x.not_before_ns = 0;
    if (hops) {
        call->n_hops++;
        str_clear(&call->elsewhere);
        str_printf(&call->elsewhere, "%s: %s", str_cstr(&server), str_cstr(&why));
        LOG_INFO(topic, "%s %s%s at %s: %s; going on at %s", call->doing, call->site->name,
                 call->path, str_cstr(&server), str_cstr(&why), call->site->nodes[call->node]);
        return true;
    }
    if (call->n_tries > c->options.max_retries) {
        return false;
    }
    pthread_mutex_lock(&c->lock);
    int64_t ms = remote_pause_ms(call->n_tries, call->x.retry_after_s, &c->random);
    pthread_mutex_unlock(&c->lock);
    LOG_WARN(topic, "%s %s%s, try %u of %u at %s: %s; again in %lld ms", call->doing,
             call->site->name, call->path, call->n_tries, c->options.max_retries + 1,
             str_cstr(&server), str_cstr(&why), (long long)ms);
    call->n_hops = 0;
    call->n_tries++;
    call->x.not_before_ns = clock_monotonic_ns(&clock_system) + ms * 1000000;
    return true;
}

/* Thread: the transfer's. */
static void on_done(struct exchange *x)
{
    struct hdfs_call *call = x->arg;
    if (is_redirect(x) && follow(call)) {
        return;
    }
    take_words(call);
    if (is_good(x)) {
        finish(call);
        return;
    }
    /* What may have been done: no answer to something that was sent, or none of the server behind a gateway. */
    call->is_uncertain =
        call->is_uncertain || (x->code < 0 && x->was_sent) || (x->code == 0 && x->status >= 500);
    enum hdfs_verdict verdict = hdfs_failure_verdict(call);
    if (!plan_again(call, verdict)) {
        finish(call);
        return;
    }
    remote_count_retry(&hdfs_counters);
    int rc = begin_try(call, &x->why);
    if (rc < 0) {
        x->code = rc;
        finish(call);
    }
}

/* ---- calls --------------------------------------------------------------------------------------------------------- */

void hdfs_call_add(struct hdfs_call *call, const char *name, const char *value)
{
    ASSERT(call->n_query < HDFS_PAIRS_MAX);
    call->query[call->n_query++] = (struct hdfs_pair){name, value};
}

int hdfs_call_start(struct hdfs_client *c, struct hdfs_call *call, struct error *err)
{
    call->client = c;
    call->n_tries = 1;
    call->n_hops = 0;
    call->is_uncertain = false;
    str_clear(&call->elsewhere);
    call->node = atomic_load(&call->site->active) % call->site->n_nodes;
    call->x.done = on_done;
    call->x.arg = call;
    call->x.not_before_ns = 0;
    atomic_store(&call->x.is_given_up, false);
    atomic_store(&call->has_ended, false);
    call->is_started = true;
    remote_count_start(&hdfs_counters, call->kind);
    int rc = begin_try(call, err);
    if (rc < 0) {
        call->is_started = false;
        remote_count_end(&hdfs_counters, &(struct remote_ended){.has_failed = true});
    }
    return rc;
}

bool hdfs_call_has_ended(const struct hdfs_call *call)
{
    return atomic_load(&call->has_ended);
}

void hdfs_call_poke(struct hdfs_call *call)
{
    transfer_poke(call->client->transfer, &call->x);
}

void hdfs_call_give_up(struct hdfs_call *call)
{
    if (call->is_started) {
        atomic_store(&call->x.is_given_up, true);
        hdfs_call_poke(call);
    }
}

int hdfs_call_wait(struct hdfs_call *call, struct error *err)
{
    ASSERT(call->is_started);
    while (true) {
        uint32_t ticket = event_count_prepare(&call->ended);
        if (hdfs_call_has_ended(call)) {
            event_count_cancel(&call->ended);
            break;
        }
        (void)event_count_wait(&call->ended, ticket, -1);
    }
    call->is_started = false;
    return is_good(&call->x) ? 0 : hdfs_failure_set(call, call->client->options.who, err);
}

int hdfs_call_run(struct hdfs_client *c, struct hdfs_call *call, struct error *err)
{
    TRY(hdfs_call_start(c, call, err));
    return hdfs_call_wait(call, err);
}

void hdfs_call_fini(struct hdfs_call *call)
{
    if (call->is_started) {
        int rc = hdfs_call_wait(call, NULL);
        (void)rc;
    }
    if (call->client != NULL) {
        transfer_curl(call->client->transfer)->slist_free_all(STEAL(call->headers));
    }
    str_fini(&call->url);
    str_fini(&call->used_path);
    str_fini(&call->exception);
    str_fini(&call->message);
    str_fini(&call->elsewhere);
    exchange_fini(&call->x);
}

int hdfs_call_json(const struct hdfs_call *call, struct json_node **ret_root, struct error *err)
{
    struct error why = ERROR_INIT;
    const struct json_limits limits = {.max_bytes = TRANSFER_ANSWER_MAX};
    int rc = json_parse(str_slice(&call->x.answer), &limits, ret_root, &why);
    if (rc == 0 && json_node_type(*ret_root) == JSON_TYPE_OBJECT) {
        return 0;
    }
    if (rc == 0) {
        *ret_root = json_node_free(*ret_root);
    }
    return error_set(err, ERR_INVALID_CONFIG,
                     "%s %s%s: what %s answers is no WebHDFS: %s; is it the HTTP address of a name "
                     "node, or of HttpFS (%s)?",
                     call->doing, call->site->name, call->path, call->site->nodes[call->node],
                     rc < 0 ? why.message : "no object", call->site->told_by[call->node]);
}

/* ---- life ------------------------------------------------------------------------------------------------------------ */

int hdfs_client_new(const struct hdfs_client_options *options, struct hdfs_client **ret_client,
                    struct error *err)
{
    struct hdfs_client *c = MEM_NEW(struct hdfs_client);
    pthread_mutex_init(&c->lock, NULL);
    c->options = *options;
    c->options.user = mem_strdup(options->user);
    c->options.who = mem_strdup(options->who);
    c->options.token_file = mem_strdup(options->token_file);
    rng_init_system(&c->random);
    int rc =
        transfer_new(&(struct transfer_options){.connect_timeout_ms = options->connect_timeout_ms,
                                                .idle_timeout_ms = options->idle_timeout_ms,
                                                .max_connections = options->max_connections,
                                                .ca_file = options->ca_file,
                                                .name = "hdfs"},
                     &c->transfer, err);
    if (rc < 0) {
        return hdfs_client_free(c), rc;
    }
    *ret_client = c;
    return 0;
}

struct hdfs_client *hdfs_client_free(struct hdfs_client *c)
{
    if (c != NULL) {
        transfer_free(c->transfer);
        pthread_mutex_destroy(&c->lock);
        mem_free((char *)(uintptr_t)c->options.user);
        mem_free((char *)(uintptr_t)c->options.who);
        mem_free((char *)(uintptr_t)c->options.token_file);
        mem_free(c);
    }
    return NULL;
}
