/* The address that the leader published; see leader_finder.h. */
#include "client/submit/leader_finder.h"
#include "common/ha/ha.h"

struct leader_finder {
    struct ha *ha; /* Owns; never a candidate */
    int64_t timeout_ms;
    struct ha_leader leader;
};

static bool is_from_command_line(const struct conf *conf, const char *key)
{
    const struct conf_entry *e = map_find(&conf->entries, key);
    return e != NULL && e->place.origin == CONF_ORIGIN_COMMAND_LINE;
}

int leader_finder_new(const struct conf *conf, struct leader_finder **ret, struct error *err)
{
    enum ha_kind kind;
    *ret = NULL;
    TRY(ha_kind_read(conf, &kind, err));
    if (kind == HA_NONE || is_from_command_line(conf, "rest.address")) {
        return 0;
    }
    struct leader_finder *f = MEM_NEW(struct leader_finder);
    f->timeout_ms = conf_duration_ms(conf, "rest.await-leader-timeout");
    int rc = ha_open(conf, NULL, &f->ha, err);
    if (rc < 0) {
        mem_free(f);
        return rc;
    }
    *ret = f;
    return 0;
}

struct leader_finder *leader_finder_free(struct leader_finder *f)
{
    if (f != NULL) {
        f->ha = ha_close(f->ha);
        mem_free(f);
    }
    return NULL;
}

int leader_finder_ask(struct leader_finder *f, const char **ret_url, struct error *err)
{
    int rc = ha_wait_leader(f->ha, f->timeout_ms, &f->leader, err);
    if (rc < 0) {
        error_context(err, "looking for the job manager that leads; -m host:port asks one whose "
                           "address is known");
        return rc;
    }
    *ret_url = f->leader.rest_url;
    return 0;
}
