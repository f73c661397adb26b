#include <inttypes.h>
#include <stdio.h>

#include "json/write.h"
#include "task/task_part.h"

enum { CPU_WHOLE = 100, CPU_MAX = 10000, CPU_SIZE = 32 };

#define FIELD(type, member) .offset = offsetof(struct type, member), .present = JSON_NO_PRESENT

static const char cpu_schema[] =
	"{\"description\":\"Processors: 1.5 is one and a half.\",\"type\":\"number\","
	"\"minimum\":0.01,\"maximum\":10000,\"multipleOf\":0.01}";

/* Processors, into hundredths of one. */
static void decode_cpu(const struct json_value *value, const char *path, void *out,
                       struct arena *arena, struct json_problems *problems)
{
	const double processors = json_as_f64(value);

	if (!(processors >= 1.0 / CPU_WHOLE && processors <= CPU_MAX)) {
		json_problem_add(problems, arena, path, "must be a number from 0.01 to 10000");
		return;
	}
	*(uint64_t *)out = (uint64_t)(processors * CPU_WHOLE + 0.5);
}

static const struct json_field resource_fields[] = {
	{ .name = "cpu",
	  .kind = JSON_CUSTOM,
	  .flags = JSON_NULLABLE,
	  FIELD(task_resources, cpu),
	  .decode = decode_cpu,
	  .schema = cpu_schema },
	{ .name = "memoryMiB",
	  .alias = "memory_mib",
	  .kind = JSON_U64,
	  .flags = JSON_NULLABLE,
	  FIELD(task_resources, memory_mib),
	  .min = 1,
	  .max = 64 * 1024 * 1024,
	  .help = "Memory of all its processes; beyond it the largest is killed." },
	{ .name = "processes",
	  .alias = "pids",
	  .kind = JSON_U64,
	  .flags = JSON_NULLABLE,
	  FIELD(task_resources, processes),
	  .min = 1,
	  .max = 4194304,
	  .help = "Processes and threads; more are refused." },
	{ .name = "diskMiB",
	  .alias = "disk_mib",
	  .kind = JSON_U64,
	  .flags = JSON_NULLABLE,
	  FIELD(task_resources, disk_mib),
	  .min = 1,
	  .max = 1024 * 1024 * 1024,
	  .help = "Its workspace and the agent's home; a session with more fails." },
	{ .name = "ioMiBps",
	  .alias = "io_mibps",
	  .kind = JSON_U64,
	  .flags = JSON_NULLABLE,
	  FIELD(task_resources, io_mibps),
	  .min = 1,
	  .max = 1024 * 1024,
	  .help = "MiB a second that are read from the disk of its files, and that are written "
	          "to it; more waits." },
};

const struct json_table task_resources_table = { "Resources", sizeof(struct task_resources),
	                                         resource_fields, ARRAY_LEN(resource_fields) };

void task_resources_write(struct jsonw *w, const struct task_resources *resources)
{
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = { { "memoryMiB", resources->memory_mib },
		     { "processes", resources->processes },
		     { "diskMiB", resources->disk_mib },
		     { "ioMiBps", resources->io_mibps } };
	bool open = false;

	if (resources->cpu > 0) {
		char cpu[CPU_SIZE];
		int n = snprintf(cpu, sizeof(cpu), "%" PRIu64 ".%02u", resources->cpu / CPU_WHOLE,
		                 (unsigned)(resources->cpu % CPU_WHOLE));

		jsonw_object(w, "resources");
		jsonw_raw(w, "cpu", str_make(cpu, (size_t)n));
		open = true;
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].value > 0) {
			if (!open) {
				jsonw_object(w, "resources");
				open = true;
			}
			jsonw_u64(w, rows[i].name, rows[i].value);
		}
	}
	if (open) {
		jsonw_end_object(w);
	}
}
