/* 'connector' = 'blackhole': takes all rows and drops them.  Flink: BlackHoleTableSinkFactory. */
#ifndef FLINC_CONNECTORS_BLACKHOLE_BLACKHOLE_H
#define FLINC_CONNECTORS_BLACKHOLE_BLACKHOLE_H

#include "engine/table/table.h"

extern const struct table_connector connector_blackhole;

#endif
