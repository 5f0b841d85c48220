/* HTTP of the history server: /config, /jobs/overview, and each answer of an archive by its path; where logs are, by the
 * patterns of historyserver.log.*; the pages of web/, or one of ours.  Flink: HistoryServerStaticFileServerHandler.
 * Lifetime: start, stop.  Thread: one owner; handlers on threads of the HTTP server. */
#ifndef FLINC_JOBMANAGER_HISTORY_SERVER_H
#define FLINC_JOBMANAGER_HISTORY_SERVER_H

#include "common/net/http/http.h"
#include "jobmanager/history/history.h"

struct history_server;
struct history_server_options {
    const struct conf *conf; /* Borrows */
    struct history *history; /* Borrows */
    const char *web_root;    /* copied; static pages; NULL: none */
};
/* historyserver.web.address, .port, .ssl.enabled. */
int history_server_start(const struct history_server_options *options, struct history_server **ret,
                         struct error *err) MUST_CHECK;
uint32_t history_server_port(const struct history_server *s);
struct history_server *
history_server_stop(struct history_server *s); /* NULL is fine; returns NULL */

#endif
