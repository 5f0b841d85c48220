/* Packing and checking requests; see wire.h. */
#include "common/spawner/wire.h"

static const char *const stage_texts[] = {
    [SPAWN_STAGE_NONE] = "nothing",
    [SPAWN_STAGE_REQUEST] = "reading the request",
    [SPAWN_STAGE_LIMIT] = "making room for one more child",
    [SPAWN_STAGE_LOG] = "opening its output file",
    [SPAWN_STAGE_PIPE] = "making a pipe for its stderr",
    [SPAWN_STAGE_FORK] = "forking",
    [SPAWN_STAGE_PARENT] = "tying it to its parent",
    [SPAWN_STAGE_FDS] = "passing its descriptors",
    [SPAWN_STAGE_DIRECTORY] = "changing into its working directory",
    [SPAWN_STAGE_RLIMIT] = "limiting its address space",
    [SPAWN_STAGE_EXEC] = "running the program",
};

const char *spawn_stage_text(enum spawn_stage stage)
{
    return (unsigned)stage < ARRAY_LEN(stage_texts) ? stage_texts[stage] : "an unknown step";
}

/* ---- packing ------------------------------------------------------------------------------------- */

static void append_string(struct str *s, const char *text)
{
    str_append(s, text, strlen(text) + 1);
}

static uint32_t append_list(struct str *s, const char *const *list)
{
    uint32_t n = 0;
    for (; list != NULL && list[n] != NULL; n++) {
        append_string(s, list[n]);
    }
    return n;
}

static int check_request(const struct spawn_request *r, struct error *err)
{
    if (r->path == NULL || r->path[0] != '/' || r->argv == NULL || r->argv[0] == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "a child needs an absolute path and arguments; got '%s'",
                         r->path != NULL ? r->path : "");
    }
    if (r->n_fds > SPAWNER_FDS_MAX) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%u descriptors for %s, at most %d are passed",
                         r->n_fds, r->path, SPAWNER_FDS_MAX);
    }
    if (r->log_max_bytes > 0 && r->stdout_to == SPAWN_STDOUT_LOG) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "the log of %s cannot be rolled when its stdout is written there too",
                         r->path);
    }
    for (uint32_t i = 0; i < r->n_fds; i++) {
        if (r->fds[i].target <= 2 || r->fds[i].target >= SPAWNER_TARGET_FD_MAX) {
            return error_set(err, ERR_INVALID_ARGUMENT, "descriptor %d for %s: numbers are 3 to %d",
                             r->fds[i].target, r->path, SPAWNER_TARGET_FD_MAX - 1);
        }
    }
    return 0;
}

int spawn_order_encode(const struct spawn_request *request, uint32_t id, struct str *ret_packet,
                       struct error *err)
{
    TRY(check_request(request, err));
    struct spawner_header h = {
        .packet = SPAWNER_SPAWN,
        .id = id,
        .oom_score_adj = request->oom_score_adj,
        .max_address_bytes = request->max_address_bytes,
        .log_max_bytes = request->log_max_bytes,
        .log_max_files = request->log_max_files,
        .n_fds = request->n_fds,
        .flags = (request->working_dir != NULL ? SPAWNER_HAS_DIRECTORY : 0u) |
                 (request->log_path != NULL ? SPAWNER_HAS_LOG : 0u) |
                 (request->stdout_to == SPAWN_STDOUT_OWNER ? SPAWNER_STDOUT_OWNER : 0u),
    };
    for (uint32_t i = 0; i < request->n_fds; i++) {
        h.targets[i] = request->fds[i].target;
    }
    struct str packet = STR_INIT;
    str_append(&packet, (const char *)&h, sizeof(h));
    append_string(&packet, request->path);
    h.n_argv = append_list(&packet, request->argv);
    h.n_environment = append_list(&packet, request->environment);
    if (request->working_dir != NULL) {
        append_string(&packet, request->working_dir);
    }
    if (request->log_path != NULL) {
        append_string(&packet, request->log_path);
    }
    memcpy(packet.data, &h, sizeof(h));
    if (packet.len > SPAWNER_REQUEST_MAX ||
        (uint64_t)h.n_argv + h.n_environment > SPAWNER_STRINGS_MAX) {
        str_fini(&packet);
        return error_set(err, ERR_TOO_LARGE,
                         "arguments and environment of %s are over the limit of %d bytes or %d "
                         "entries",
                         request->path, SPAWNER_REQUEST_MAX, SPAWNER_STRINGS_MAX);
    }
    *ret_packet = packet;
    return 0;
}

/* ---- unpacking ----------------------------------------------------------------------------------- */

struct strings {
    const char *next, *end;
};

/* NULL: there is no further string. */
static const char *take_string(struct strings *s)
{
    const char *text = s->next;
    const char *nul = memchr(text, '\0', (size_t)(s->end - text));
    if (nul == NULL) {
        return NULL;
    }
    s->next = nul + 1;
    return text;
}

static const char **take_list(struct strings *s, uint32_t n)
{
    const char **list = MEM_NEW_ARRAY(const char *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        list[i] = take_string(s);
        if (list[i] == NULL) {
            mem_free(list);
            return NULL;
        }
    }
    return list;
}

static bool header_is_sane(const struct spawner_header *h)
{
    if (h->packet != SPAWNER_SPAWN || h->n_fds > SPAWNER_FDS_MAX || h->n_argv == 0 ||
        h->n_argv > SPAWNER_STRINGS_MAX || h->n_environment > SPAWNER_STRINGS_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < h->n_fds; i++) {
        if (h->targets[i] <= 2 || h->targets[i] >= SPAWNER_TARGET_FD_MAX) {
            return false;
        }
    }
    return true;
}

static bool order_take_strings(struct spawn_order *o, struct strings *s)
{
    o->path = take_string(s);
    if (o->path == NULL) {
        return false;
    }
    o->argv = take_list(s, o->header.n_argv);
    o->environment = o->argv != NULL ? take_list(s, o->header.n_environment) : NULL;
    if (o->environment == NULL) {
        return false;
    }
    if ((o->header.flags & SPAWNER_HAS_DIRECTORY) != 0) {
        o->working_dir = take_string(s);
        if (o->working_dir == NULL) {
            return false;
        }
    }
    if ((o->header.flags & SPAWNER_HAS_LOG) != 0) {
        o->log_path = take_string(s);
        if (o->log_path == NULL) {
            return false;
        }
    }
    return s->next == s->end;
}

int spawn_order_decode(const void *packet, size_t size, struct spawn_order *ret_order,
                       struct error *err)
{
    struct spawn_order o = {.path = NULL};
    if (size < sizeof(o.header) || size > SPAWNER_REQUEST_MAX) {
        return error_set(err, ERR_CORRUPT, "a request of %zu bytes", size);
    }
    memcpy(&o.header, packet, sizeof(o.header));
    if (!header_is_sane(&o.header)) {
        return error_set(err, ERR_CORRUPT, "a request with a damaged header");
    }
    struct strings s = {(const char *)packet + sizeof(o.header), (const char *)packet + size};
    if (!order_take_strings(&o, &s)) {
        spawn_order_fini(&o);
        return error_set(err, ERR_CORRUPT, "a request with missing strings");
    }
    *ret_order = o;
    return 0;
}

void spawn_order_fini(struct spawn_order *o)
{
    mem_free(o->argv);
    mem_free(o->environment);
    o->argv = o->environment = NULL;
}
