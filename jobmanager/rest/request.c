/* What handlers share: parameters, the job and the vertex that a path names, bodies, error answers. */
#include "common/text/number.h"
#include "jobmanager/rest/rest_internal.h"
#include <stdio.h>

int64_t rest_now_ms(void)
{
    return clock_now_ms(&clock_system);
}

/* ---- answers -------------------------------------------------------------------------------------- */

int rest_fail(struct http_response *rs, int status, const char *fmt, ...)
{
    STR_AUTO text = STR_INIT;
    va_list ap;
    va_start(ap, fmt);
    str_vprintf(&text, fmt, ap);
    va_end(ap);
    http_response_error(rs, status, str_cstr(&text));
    return 0;
}

int rest_fail_error(struct http_response *rs, const struct error *e)
{
    char text[ERROR_MESSAGE_MAX + ERROR_FRAMES_MAX];
    http_response_error(rs, http_status_of_error(e->code), error_format(e, text, sizeof(text)));
    return 0;
}

int rest_done(struct http_response *rs, int status)
{
    http_response_status(rs, status);
    struct json_writer *w = http_response_json(rs);
    json_writer_object(w);
    json_writer_end(w);
    return 0;
}

void rest_answer_text_file(struct http_response *rs, int take_fd, uint64_t size)
{
    http_response_content_type(rs, "text/plain; charset=UTF-8");
    http_response_file(rs, take_fd, size);
}

/* ---- path parameters ------------------------------------------------------------------------------ */

/* What a person may see of a value that came from outside: short and printable. */
static const char *shown(const char *value, char buf[64])
{
    size_t n = 0;
    for (; value[n] != '\0' && n < 60; n++) {
        buf[n] = value[n] >= ' ' && value[n] < 0x7f ? value[n] : '?';
    }
    buf[n] = '\0';
    return buf;
}

bool rest_param_id(const struct http_request *rq, struct http_response *rs, const char *name,
                   struct flinc_id *ret)
{
    const char *text = http_request_param(rq, name);
    char buf[64];
    if (strlen(text) == ID_HEX_LEN && id_parse(text, ret)) {
        return true;
    }
    rest_fail(rs, 400,
              "Bad request, could not parse parameters: Cannot resolve path parameter (%s) from "
              "value \"%s\": 32 hexadecimal digits are expected",
              name, shown(text, buf));
    return false;
}

bool rest_param_number(const struct http_request *rq, struct http_response *rs, const char *name,
                       uint32_t *ret)
{
    const char *text = http_request_param(rq, name);
    uint64_t value;
    char buf[64];
    if (number_parse_uint64(slice_cstr(text), &value) == 0 && value <= INT32_MAX) {
        *ret = (uint32_t)value;
        return true;
    }
    rest_fail(rs, 400,
              "Bad request, could not parse parameters: Cannot resolve path parameter (%s) from "
              "value \"%s\": a number from 0 on is expected",
              name, shown(text, buf));
    return false;
}

/* ---- jobs and vertices ---------------------------------------------------------------------------- */

bool rest_get_job(struct rest_server *s, const struct http_request *rq, struct http_response *rs,
                  const struct job_details **ret)
{
    struct flinc_id id;
    struct error err = ERROR_INIT;
    char hex[ID_HEX_LEN + 1];
    if (!rest_param_id(rq, rs, "jobid", &id)) {
        return false;
    }
    int rc = dispatcher_get_details(s->o.dispatcher, &id, s->ask_timeout_ms, ret, &err);
    if (rc == 0) {
        return true;
    }
    id_format(&id, hex);
    if (rc == ERR_NOT_FOUND || rc == ERR_CLOSED) {
        rest_fail(rs, 404, "Job %s not found", hex);
    } else {
        rest_fail_error(rs, &err);
    }
    return false;
}

int rest_unknown_trigger(void *owner, const struct http_request *rq, struct http_response *rs,
                         struct error *err)
{
    struct flinc_id id;
    char hex[ID_HEX_LEN + 1];
    if (!rest_param_id(rq, rs, "triggerid", &id)) {
        return 0;
    }
    id_format(&id, hex);
    return rest_fail(rs, 404, "Operation not found under key: %s", hex);
}

bool rest_has_job(struct rest_server *s, const struct http_request *rq, struct http_response *rs,
                  struct job_overview *ret)
{
    struct flinc_id id;
    char hex[ID_HEX_LEN + 1];
    if (!rest_param_id(rq, rs, "jobid", &id)) {
        return false;
    }
    if (dispatcher_get_overview(s->o.dispatcher, &id, ret)) {
        return true;
    }
    id_format(&id, hex);
    rest_fail(rs, 404, "Job %s not found", hex);
    return false;
}

bool rest_get_vertex(struct rest_server *s, const struct http_request *rq, struct http_response *rs,
                     const struct job_details **ret_job, const struct vertex_details **ret_vertex)
{
    const struct job_details *job;
    struct flinc_id id;
    char hex[ID_HEX_LEN + 1];
    if (!rest_param_id(rq, rs, "vertexid", &id) || !rest_get_job(s, rq, rs, &job)) {
        return false;
    }
    const struct vertex_details *v = job_details_find_vertex(job, &id);
    if (v == NULL) {
        id_format(&id, hex);
        job_details_unref(job);
        rest_fail(rs, 404, "JobVertex %s not found", hex);
        return false;
    }
    *ret_job = job;
    *ret_vertex = v;
    return true;
}

/* ---- bodies and lists ----------------------------------------------------------------------------- */

bool rest_body_object(const struct http_request *rq, struct http_response *rs,
                      const char *class_name, const struct json_node **ret)
{
    struct error err = ERROR_INIT;
    int rc = http_request_json(rq, ret, &err);
    if (rc < 0) {
        rest_fail(rs, rc == ERR_TOO_LARGE ? 413 : 400,
                  "Request did not match expected format %s: %s", class_name, err.message);
        return false;
    }
    if (json_node_type(*ret) != JSON_TYPE_OBJECT) {
        rest_fail(rs, 400,
                  "Request did not match expected format %s: it is of type %s instead of object",
                  class_name, json_type_name(json_node_type(*ret)));
        return false;
    }
    return true;
}

void rest_list_init(struct rest_list *l, const char *text, char separator)
{
    *l = (struct rest_list){0};
    if (text == NULL) {
        return;
    }
    l->text = mem_strdup(text);
    l->items = MEM_NEW_ARRAY(const char *, REST_LIST_MAX);
    char *at = l->text;
    while (at != NULL && l->n < REST_LIST_MAX) {
        char *end = strchr(at, separator);
        if (end != NULL) {
            *end++ = '\0';
        }
        if (at[0] != '\0') {
            l->items[l->n++] = at;
        }
        at = end;
    }
}

void rest_list_fini(struct rest_list *l)
{
    mem_free(l->text);
    mem_free(l->items);
}

bool rest_list_has(const struct rest_list *l, const char *item)
{
    for (size_t i = 0; i < l->n; i++) {
        if (strcmp(l->items[i], item) == 0) {
            return true;
        }
    }
    return false;
}
