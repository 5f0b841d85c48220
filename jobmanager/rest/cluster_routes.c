/* Routes of the cluster: the dashboard's configuration, the overview, shutting down. */
#include "jobmanager/rest/rest_internal.h"

static int config(void *owner, const struct http_request *rq, struct http_response *rs,
                  struct error *err)
{
    struct rest_server *s = owner;
    struct rest_features features = s->features;
    features.submit = features.submit && !s->o.application_mode;
    rest_write_config(http_response_json(rs), &features, rest_now_ms());
    return 0;
}

static int overview(void *owner, const struct http_request *rq, struct http_response *rs,
                    struct error *err)
{
    struct rest_server *s = owner;
    struct resource_overview resources;
    struct job_counts jobs;
    resourcemanager_get_overview(s->o.resourcemanager, &resources);
    dispatcher_get_counts(s->o.dispatcher, &jobs);
    rest_write_overview(http_response_json(rs), &resources, &jobs);
    return 0;
}

static int shut_down(void *owner, const struct http_request *rq, struct http_response *rs,
                     struct error *err)
{
    struct rest_server *s = owner;
    if (s->o.on_shutdown == NULL) {
        return rest_fail(rs, 403, "This cluster cannot be shut down over REST.");
    }
    s->o.on_shutdown(s->o.owner);
    return rest_done(rs, 200);
}

static const struct rest_route routes[] = {
    REST_ROW(GET, "/config", 0, config,
             "What a dashboard needs to know: refresh interval, time zone, version, features.", "-",
             "DashboardConfiguration"),
    REST_ROW(GET, "/overview", 0, overview, "Task managers, slots, and jobs by state.", "-",
             "ClusterOverviewWithVersion"),
    REST_ROW(DELETE, "/cluster", 0, shut_down, "Shuts the cluster down.", "-", "-"),
};
const struct rest_family rest_cluster_family = REST_FAMILY("Cluster", routes);
