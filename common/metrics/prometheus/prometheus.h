/* The Prometheus reporter: the metrics of a registry over HTTP in the text format 0.0.4, on a port of
 * its own; every path answers.  Flink: PrometheusReporter.
 *
 * Which reporters there are: those named by metrics.reporters, or else all that have a
 * metrics.reporter.<name>.factory.class; the class is Flink's
 * (org.apache.flink.metrics.prometheus.PrometheusReporterFactory) or the word "prometheus".  Other
 * reporters are warned about.
 * Thread: any for start and stop; scrapes are answered on the reporter's own thread. */
#ifndef FLINC_COMMON_METRICS_PROMETHEUS_PROMETHEUS_H
#define FLINC_COMMON_METRICS_PROMETHEUS_PROMETHEUS_H

#include "common/conf/conf.h"
#include "common/metrics/registry.h"

struct prometheus_reporters;
/* Starts the reporters that the configuration has, maybe none, and logs their ports.  The registry
 * must outlive them.  ERR_INVALID_CONFIG: an option is malformed.  One that finds no free port is
 * logged as an error and left out: metrics never keep a process from working. */
int prometheus_reporter_start(const struct conf *conf, struct metric_registry *registry,
                              struct prometheus_reporters **ret_reporters,
                              struct error *err) MUST_CHECK;
/* Metrics of other processes that this one reports, too: those of workers, by their task manager. */
struct prometheus_sample {
    const char *scope;  /* logical, between dots: "taskmanager.job.task.buffers" */
    const char *metric; /* "inputQueueLength" */
    enum metric_kind kind;
    struct metric_value value;                      /* of a histogram: its count */
    const struct metric_histogram_stats *histogram; /* NULL: the count is all that is known */
    const struct metric_variable *variables;        /* labels, the nearest group's first */
    size_t n_variables;
};
struct prometheus_source {
    void *arg;
    /* Calls fn for each sample.  Thread: a reporter's, for each scrape; it may wait for some seconds. */
    void (*visit)(void *arg, void (*fn)(void *fn_arg, const struct prometheus_sample *sample),
                  void *fn_arg);
};
/* From the next scrape on.  Borrows: the source outlives the reporters. */
void prometheus_reporter_set_source(struct prometheus_reporters *p,
                                    const struct prometheus_source *source);
/* Waits for a scrape that is running.  NULL is fine; returns NULL. */
struct prometheus_reporters *prometheus_reporter_stop(struct prometheus_reporters *p);
uint32_t prometheus_reporter_count(const struct prometheus_reporters *p);
uint32_t prometheus_reporter_port(const struct prometheus_reporters *p, uint32_t i);

#endif
