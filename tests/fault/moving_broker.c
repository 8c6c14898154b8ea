/* SPDX-License-Identifier: Apache-2.0 */
/*
 * moving_broker FILE CONTROL: librdkafka's mock cluster of three brokers, announced in FILE as
 * rollcall-broker announces its own; CONTROL is the port on which who started it makes topics for
 * clients. Commands on standard input, each answered by a line: "topic NAME PARTITIONS",
 * "coordinator GROUP BROKER", "leader TOPIC PARTITION BROKER". Ends with its input.
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BROKERS = 3 };

static rd_kafka_resp_err_t obey(rd_kafka_mock_cluster_t *cluster, const char *line)
{
        char name[250];
        int a, b;
        if (sscanf(line, "topic %249s %d", name, &a) == 2)
                return rd_kafka_mock_topic_create(cluster, name, a, BROKERS);
        if (sscanf(line, "coordinator %249s %d", name, &a) == 2)
                return rd_kafka_mock_coordinator_set(cluster, "group", name, a);
        if (sscanf(line, "leader %249s %d %d", name, &a, &b) == 3)
                return rd_kafka_mock_partition_set_leader(cluster, name, a, b);
        return RD_KAFKA_RESP_ERR__INVALID_ARG;
}

int main(int argc, char **argv)
{
        char text[512], line[512];
        if (argc != 3)
                return 2;
        rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text, sizeof text);
        rd_kafka_mock_cluster_t *cluster = rk ? rd_kafka_mock_cluster_new(rk, BROKERS) : NULL;
        FILE *f = cluster ? fopen(argv[1], "we") : NULL;
        if (!f)
                return 1;
        fprintf(f, "bootstrap=%s\ncontrol=%s\ncluster=moving-%d\n",
                rd_kafka_mock_cluster_bootstraps(cluster), argv[2], (int)getpid());
        if (fclose(f) != 0)
                return 1;
        puts("ready");
        fflush(stdout);
        while (fgets(line, sizeof line, stdin)) {
                puts(rd_kafka_err2name(obey(cluster, line)));
                fflush(stdout);
        }
        rd_kafka_mock_cluster_destroy(cluster);
        rd_kafka_destroy(rk);
        return 0;
}
