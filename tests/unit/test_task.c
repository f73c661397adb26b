#include <stdio.h>
#include <stdlib.h>

#include "task/task_json.h"
#include "tests/support/test.h"
#include "upload/upload.h"

static struct arena *arena;

static int make_arena(void **state)
{
	(void)state;
	arena = arena_new();
	return 0;
}

static int free_arena(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

#define AGENT "{\"type\":\"command\",\"settings\":{\"argv\":[\"true\"]}}"
#define PLACE "\"repo\":{\"mode\":\"none\"},\"runtime\":{\"type\":\"local\"}"
#define REST  PLACE ",\"agents\":[" AGENT "]"

static struct task_spec accepted(const char *body)
{
	struct json_problems problems;
	struct task_spec spec;

	if (task_decode(str_of(body), &spec, arena, &problems) != ERR_OK) {
		fail_msg("%s: %s %s", body, problems.items[0].field, problems.items[0].rule);
	}
	return spec;
}

static void refused(const char *body, const char *wanted)
{
	struct json_problems problems;
	struct task_spec spec;
	struct buf got;

	assert_int_equal(task_decode(str_of(body), &spec, arena, &problems), ERR_INVALID);
	buf_init(&got, 65536);
	for (size_t i = 0; i < problems.count; i++) {
		buf_addf(&got, "%s%s: %s", i > 0 ? "\n" : "", problems.items[i].field,
		         problems.items[i].rule);
	}
	if (strcmp(buf_cstr(&got), wanted) != 0) {
		char *text = arena_strdup(arena, buf_str(&got));

		buf_fini(&got);
		assert_string_equal(text, wanted);
	}
	buf_fini(&got);
}

static bool str_is(struct str s, const char *wanted)
{
	return str_eq(s, str_of(wanted));
}

static void the_full_form_is_decoded(void **state)
{
	struct task_spec spec = accepted(
		"{\"tenantId\":\"acme\",\"projectId\":\"p1\",\"namespace\":\"ci\","
		"\"prompt\":[{\"type\":\"text\",\"text\":\"fix it\"},"
		"{\"type\":\"text\",\"text\":\"please\"}],"
		"\"repo\":{\"mode\":\"git\",\"url\":\"git@host.example:org/repo.git\","
		"\"branch\":\"feature/x\",\"commit\":\"0123abc\"},"
		"\"runtime\":{\"type\":\"local\"},"
		"\"agents\":[{\"type\":\"command\",\"version\":\"1\",\"count\":2,\"settings\":{"
		"\"argv\":[\"sh\",\"-c\",\"\"],\"env\":{\"A\":\"1\"},\"timeout_s\":60,"
		"\"pty\":{\"cols\":80,\"rows\":24}}}," AGENT "],"
		"\"delivery\":{\"mode\":\"branch\",\"targetBranch\":\"main\"},"
		"\"labels\":{\"team\":\"core\"},\"webhooks\":[{\"event\":\"session.*\",\"url\":"
		"\"https://x\"}],\"priority\":0,"
		"\"maxAttempts\":3,\"workspace\":null}");
	const struct task_agent *agents = spec.agents.items;
	const struct str *texts = spec.prompt.texts.items, *argv = agents[0].command.argv.items;

	(void)state;
	assert_true(str_is(spec.tenant, "acme") && str_is(spec.project, "p1"));
	assert_true(str_is(spec.namespace, "ci"));
	assert_int_equal(spec.prompt.texts.count, 2);
	assert_true(str_is(texts[1], "please"));
	assert_int_equal(spec.repo.mode, TASK_REPO_GIT);
	assert_true(str_is(spec.repo.branch, "feature/x"));
	assert_int_equal(task_session_count(&spec), 3);
	assert_int_equal(agents[0].command.argv.count, 3);
	assert_true(str_is(argv[0], "sh") && argv[2].n == 0);
	assert_int_equal(agents[0].command.timeout_s, 60);
	assert_true(agents[0].command.pty.wanted);
	assert_int_equal(agents[0].command.pty.cols, 80);
	assert_false(agents[1].command.pty.wanted);
	assert_true(str_is(agents[1].version, "latest"));
	assert_int_equal(spec.delivery.mode, TASK_DELIVERY_BRANCH);
	assert_int_equal(spec.priority, 0);
	assert_int_equal(spec.max_attempts, 3);
	assert_int_equal(spec.webhooks.count, 1);
	assert_true(str_is(((const struct task_webhook *)spec.webhooks.items)->event, "session.*"));
}

static void a_prompt_may_refer_to_uploads(void **state)
{
	static const char blocks[] =
		"[{\"type\":\"text\",\"text\":\"look\"},"
		"{\"type\":\"image\",\"upload\":\"01J000000000000000000000AA\"},"
		"{\"type\":\"file\",\"upload\":\"01J000000000000000000000AB\"}]";
	struct task_spec spec, again;
	const struct upload_ref *refs;
	char body[1024];

	(void)state;
	(void)snprintf(body, sizeof(body), "{\"prompt\":%s," REST "}", blocks);
	spec = accepted(body);
	refs = spec.prompt.uploads.items;
	assert_int_equal(spec.prompt.texts.count, 1);
	assert_int_equal(spec.prompt.uploads.count, 2);
	assert_true(refs[0].image && !refs[1].image);
	assert_string_equal(refs[1].id.s, "01J000000000000000000000AB");
	assert_string_equal(refs[1].path, "prompt[2].upload");
	/* As it is stored it may be decoded again. */
	assert_true(str_is(task_prompt_json(&spec, arena), blocks));
	again = accepted(body);
	assert_true(str_is(task_prompt_json(&again, arena), blocks));
	assert_true(str_is(task_prompt_text(str_of(blocks), arena), "look"));
	refused("{\"prompt\":[{\"type\":\"image\",\"upload\":\"x\"},{\"type\":\"file\"}]," REST "}",
	        "prompt[0].upload: must be the id of an upload\n"
	        "prompt[1].upload: is required");
}

static void the_short_form_gets_defaults(void **state)
{
	struct task_spec spec = accepted("{\"prompt\":\"go\"," REST "}");

	(void)state;
	assert_int_equal(spec.prompt.texts.count, 1);
	assert_int_equal(spec.priority, TASK_PRIORITY_DEFAULT);
	assert_int_equal(spec.max_attempts, 1);
	assert_false(spec.has_delivery);
	assert_int_equal(task_session_count(&spec), 1);
}

static void older_spellings_mean_the_same(void **state)
{
	struct task_spec spec = accepted(
		"{\"prompt\":\"go\",\"tenant_id\":\"t\",\"project_id\":\"p\"," PLACE
		",\"agent\":{\"type\":\"command\",\"instances\":4,\"settings\":{\"argv\":[\"a\"],"
		"\"pty\":true}},\"delivery\":{\"mode\":\"patch\"},\"max_attempts\":2}");
	const struct task_agent *agents = spec.agents.items;

	(void)state;
	assert_true(str_is(spec.tenant, "t") && str_is(spec.project, "p"));
	assert_int_equal(task_session_count(&spec), 4);
	assert_int_equal(agents[0].command.pty.cols, TASK_PTY_COLS);
	assert_int_equal(spec.max_attempts, 2);
}

static void an_empty_object_names_all_that_is_required(void **state)
{
	(void)state;
	refused("{}", "prompt: is required\nrepo: is required\nruntime: is required\n"
	              "agents: is required");
	refused("[]", ": must be an object");
	refused("{\"prompt\":\"x\",\"repo\":{},\"runtime\":{},\"agents\":[{}]}",
	        "repo.mode: is required\nruntime.type: is required\n"
	        "agents[0].type: is required\nagents[0].settings: is required");
}

static void what_is_not_supported_yet_says_so(void **state)
{
	(void)state;
	refused("{\"prompt\":\"x\",\"repo\":{\"mode\":\"upload\"},"
	        "\"runtime\":{\"type\":\"devcontainer\",\"devcontainerPath\":\"a\","
	        "\"resources\":null},\"workspace\":{\"snapshotPreference\":[\"zfs\"]},"
	        "\"agents\":[{\"type\":\"goose\",\"version\":\"1\",\"settings\":{\"x\":1}}],"
	        "\"delivery\":{\"mode\":\"pr\"}}",
	        "runtime.devcontainerPath: is not supported yet\n"
	        "workspace: is not supported yet\n"
	        "agents[0].type: \"goose\" is not supported yet\n"
	        "repo.mode: \"upload\" is not supported yet\n"
	        "runtime.type: \"devcontainer\" is not supported yet\n"
	        "delivery.mode: \"pr\" is not supported yet");
	refused("{\"prompt\":[{\"type\":\"audio\",\"uri\":\"x\"}]," REST "}",
	        "prompt[0].type: \"audio\" is not supported yet");
	refused("{\"prompt\":\"x\"," PLACE
	        ",\"agents\":[{\"agent\":{\"software\":\"Goose\"},\"model\":\"m\"}]}",
	        "agents[0].agent.software: \"Goose\" is not supported yet");
}

static void an_unknown_word_lists_the_known_ones(void **state)
{
	(void)state;
	refused("{\"prompt\":[{\"type\":\"poem\",\"text\":\"x\"}],\"repo\":{\"mode\":\"svn\"},"
	        "\"runtime\":{\"type\":\"vm\"},\"agents\":[" AGENT ",{\"type\":\"hal\","
	        "\"settings\":{\"argv\":[\"x\"]}}],\"delivery\":{\"mode\":\"post\"}}",
	        "prompt[0].type: must be one of: text, image, file, audio, resource, "
	        "resource_link\n"
	        "repo.mode: must be one of: git, upload, none\n"
	        "runtime.type: must be one of: local, disabled, devcontainer\n"
	        "agents[1].type: must be one of: command, acp, agent-sdk, claude-code, "
	        "codex, gemini, opencode, copilot, cursor, goose, qwen\n"
	        "delivery.mode: must be one of: branch, patch, pr");
}

static void settings_of_a_command_are_checked(void **state)
{
	(void)state;
	refused("{\"prompt\":\"x\"," PLACE ",\"agents\":[{\"type\":\"command\",\"count\":0,"
	        "\"settings\":{\"argv\":[\"\"],\"env\":{\"1A\":\"\",\"FAIRLEAD_X\":\"\"},"
	        "\"timeout_s\":0,\"pty\":\"yes\",\"shell\":true}}]}",
	        "agents[0].count: must be an integer from 1 to 100\n"
	        "agents[0].settings.timeout_s: must be an integer from 1 to 604800\n"
	        "agents[0].settings.pty: must be true, false or an object of cols and rows\n"
	        "agents[0].settings.shell: is not a known field\n"
	        "agents[0].settings.argv[0]: must not be empty\n"
	        "agents[0].settings.env.1A: must have a name of letters, digits and _ that does "
	        "not begin with a digit\n"
	        "agents[0].settings.env.FAIRLEAD_X: must not have a name that begins with "
	        "FAIRLEAD_");
	refused("{\"prompt\":\"x\"," PLACE ",\"agent\":{\"type\":\"command\",\"settings\":{"
	        "\"argv\":[],\"pty\":{\"cols\":0}}}}",
	        "agent.settings.argv: must be an array of 1 to 256 strings\n"
	        "agent.settings.pty.cols: must be an integer from 1 to 1000\n"
	        "agent.settings.pty.rows: is required");
}

static void secrets_of_an_agent_are_names(void **state)
{
	struct task_spec spec = accepted(
		"{\"prompt\":\"x\"," PLACE ",\"agents\":[{\"type\":\"codex\",\"settings\":{"
		"\"secrets\":[\"A_KEY\",{\"name\":\"B\",\"as\":\"c\"},{\"name\":\"D\",\"file\":"
		"\".ssh/id\"}]}}]}");

	(void)state;
	assert_true(str_is(task_agent_json(spec.agents.items, arena),
	                   "{\"type\":\"codex\",\"version\":\"latest\",\"count\":1,"
	                   "\"settings\":{\"secrets\":[{\"name\":\"A_KEY\"},{\"name\":\"B\","
	                   "\"as\":\"c\"},{\"name\":\"D\",\"file\":\".ssh/id\"}]}}"));
	refused("{\"prompt\":\"x\"," PLACE ",\"agents\":[{\"type\":\"codex\",\"settings\":{"
	        "\"secrets\":[{\"name\":\"A\",\"as\":\"b\",\"file\":\"c\"},"
	        "{\"name\":\"A\",\"file\":\"/etc/x\"},{\"name\":\"A\",\"file\":\"a//b\"},{}]}}]}",
	        "agents[0].settings.secrets[0]: must have one of as and file\n"
	        "agents[0].settings.secrets[1].file: must be a path below the agent's home, "
	        "without . and ..\n"
	        "agents[0].settings.secrets[2].file: must be a path below the agent's home, "
	        "without . and ..\n"
	        "agents[0].settings.secrets[3].name: is required");
	refused("{\"prompt\":\"x\"," PLACE ",\"agents\":[{\"type\":\"codex\",\"settings\":{"
	        "\"secrets\":\"A\"}}]}",
	        "agents[0].settings.secrets: must be an array of at most 32");
}

static void counts_are_bounded_together(void **state)
{
	(void)state;
	refused("{\"prompt\":\"x\"," PLACE ",\"agents\":[{\"type\":\"command\",\"count\":100,"
	        "\"settings\":{\"argv\":[\"a\"]}}," AGENT "]}",
	        "agents: must make at most 100 sessions in all");
	refused("{\"prompt\":\"x\"," PLACE ",\"agents\":[]}",
	        "agents: must be an array of 1 to 16 items");
	refused("{\"prompt\":\"x\"," PLACE ",\"agents\":[" AGENT "],\"agent\":" AGENT "}",
	        "agent: is possible only when agents is absent");
}

static void when_and_where_it_may_run_is_decoded(void **state)
{
	struct task_spec spec = accepted(
		"{\"prompt\":\"go\",\"queueAfter\":\"01hzzzzzzzzzzzzzzzzzzzzzzz\","
		"\"not_before\":\"2026-01-01T00:00:00Z\",\"deadline\":\"2026-01-01T01:00:00+00:"
		"30\","
		"\"workers\":{\"required\":[\"gpu\",\"zone=eu\"],\"preferred\":[\"disk=fast\"]},"
		"\"concurrencyKey\":\"deploy main\"," REST "}");
	struct task_words words = task_words_of(task_workers_json(&spec, arena), arena);

	(void)state;
	assert_true(str_is(spec.queue_after, "01HZZZZZZZZZZZZZZZZZZZZZZZ"));
	assert_true(spec.not_before_us == INT64_C(1767225600000000));
	assert_true(spec.deadline_us == spec.not_before_us + INT64_C(1800000000));
	assert_string_equal(words.required, "gpu,zone=eu");
	assert_string_equal(words.preferred, "disk=fast");
	assert_true(str_is(spec.concurrency_key, "deploy main"));
	words = task_words_of(STR_LIT("{}"), arena);
	assert_string_equal(words.required, "");
	assert_string_equal(words.preferred, "");
}

static void when_and_where_has_rules(void **state)
{
	(void)state;
	refused("{\"prompt\":\"go\",\"queueAfter\":\"soon\"," REST "}",
	        "queueAfter: must be the id of a session or a task");
	refused("{\"prompt\":\"go\",\"notBefore\":7," REST "}",
	        "notBefore: must be a date and time as in RFC 3339: 2026-01-31T12:00:00Z");
	refused("{\"prompt\":\"go\",\"notBefore\":\"2026-01-01T00:00:00Z\","
	        "\"deadline\":\"2026-01-01T00:00:00Z\"," REST "}",
	        "deadline: must be after notBefore");
	refused("{\"prompt\":\"go\",\"workers\":{\"required\":[\"a\",\"b,c\"]}," REST "}",
	        "workers.required[1]: must be 1 to 64 letters, digits and . _ : / = + -");
	refused("{\"prompt\":\"go\",\"workers\":{\"preferred\":[\"\"]}," REST "}",
	        "workers.preferred[0]: must be 1 to 64 letters, digits and . _ : / = + -");
	refused("{\"prompt\":\"go\",\"concurrencyKey\":\"\"," REST "}",
	        "concurrencyKey: must be a string of 1 to 255 bytes");
}

static void a_backoff_grows_to_its_bound_with_full_jitter(void **state)
{
	(void)state;
	assert_true(task_backoff_ms(1, 1000, 60000, UINT64_MAX) <= 1000);
	assert_true(task_backoff_ms(1, 1000, 60000, 1000) == 1000);
	assert_true(task_backoff_ms(1, 1000, 60000, 1001) == 0);
	assert_true(task_backoff_ms(3, 1000, 60000, 4000) == 4000);
	assert_true(task_backoff_ms(7, 1000, 60000, 60000) == 60000);
	assert_true(task_backoff_ms(7, 1000, 60000, 60001) == 0);
	assert_true(task_backoff_ms(UINT64_MAX, 1000, 60000, 60000) == 60000);
	assert_true(task_backoff_ms(UINT64_MAX, 0, 60000, 7) == 0);
	assert_true(task_backoff_ms(2, 5000, 1000, 1000) == 1000);
}

static void repo_and_delivery_fit_their_modes(void **state)
{
	(void)state;
	refused("{\"prompt\":\"x\",\"repo\":{\"mode\":\"none\",\"url\":\"https://a/b\"},"
	        "\"runtime\":{\"type\":\"local\"},\"agents\":[" AGENT "],"
	        "\"delivery\":{\"mode\":\"branch\"}}",
	        "repo: must have no url, branch or commit when mode is none\n"
	        "delivery.mode: must not be branch when repo.mode is none");
	refused("{\"prompt\":\"x\"," REST
	        ",\"delivery\":{\"mode\":\"patch\",\"targetBranch\":\"main\"}}",
	        "delivery.targetBranch: is possible only when mode is branch");
}

static void a_url_cannot_smuggle_an_option_or_a_helper(void **state)
{
	static const char *const good[] = {
		"https://host/a.git",  "http://h:8080/x",    "ssh://git@h/x",
		"git://h/x",           "file:///srv/x.git",  "/srv/x",
		"/home/me/my repo::1", "git@host:org/r.git", "host:x",
	};
	static const char *const bad[] = {
		"",
		"-oProxyCommand=x",
		"ext::sh -c x",
		"https://",
		"file://host/x",
		"ftp://h/x",
		"relative/path",
		"https://-x/",
		"https://user:secret@host/a.git",
		"https://:secret@host/a.git",
		"ssh://-oP=x/",
		"-x:y",
		"a b:c",
		"https://h/\nx",
		"@h:x",
		"git@-h:x",
		"javascript://x",
		"/srv/\nx",
		"h:",
		"fd::17/foo",
		"a@b@c:x",
		"..",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		if (task_check_url(str_of(good[i])) != NULL) {
			fail_msg("refused: %s", good[i]);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (task_check_url(str_of(bad[i])) == NULL) {
			fail_msg("accepted: %s", bad[i]);
		}
	}
}

static void a_branch_is_what_git_allows(void **state)
{
	static const char *const good[] = { "main", "feature/x-1", "a.b", "v1@2", "\xc3\xb6" };
	static const char *const bad[] = {
		"",   "-x",     "a..b",  "a b", "a~1",  "a^",       "a:b",    "a?",
		"a*", "a[",     "a\\b",  "a/",  "/a",   "a//b",     ".a",     "a/.b",
		"a.", "x.lock", "a@{1}", "@",   "HEAD", "x.lock/y", "a\177b",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_null(task_check_ref(str_of(good[i])));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (task_check_ref(str_of(bad[i])) == NULL) {
			fail_msg("accepted: %s", bad[i]);
		}
	}
	assert_null(task_check_commit(STR_LIT("0123abF")));
	assert_non_null(task_check_commit(STR_LIT("0123abg")));
	assert_non_null(task_check_commit(STR_LIT("012345")));
	assert_null(task_check_namespace(STR_LIT("a.b-c_D")));
	assert_non_null(task_check_namespace(STR_LIT("a/b")));
}

static void what_escapes_make_too_long_is_refused(void **state)
{
	struct buf body;

	(void)state;
	buf_init(&body, 1 << 20);
	buf_add_cstr(&body, "{\"prompt\":\"");
	for (int i = 0; i < 16000; i++) {
		buf_add_cstr(&body, "\\u0001");
	}
	buf_add_cstr(&body, "\"," REST "}");
	refused(buf_cstr(&body),
	        ": prompt, repo and agent must together be at most 57344 bytes of JSON");
	buf_reset(&body);
	buf_add_cstr(&body, "{\"prompt\":\"x\"," PLACE
	                    ",\"agent\":{\"type\":\"command\",\"settings\":{\"argv\":[\"");
	for (int i = 0; i < 24 * 1024; i++) {
		buf_add_char(&body, 'a');
	}
	buf_add_cstr(&body, "\"]}}}");
	refused(buf_cstr(&body), "agent.settings: must be at most 24576 bytes of JSON");
	buf_fini(&body);
}

static void resources_have_bounds_and_are_kept(void **state)
{
	struct task_spec spec =
		accepted("{\"prompt\":\"x\",\"repo\":{\"mode\":\"none\"},\"agents\":[" AGENT
	                 "],\"runtime\":{\"type\":\"local\",\"resources\":{\"cpu\":1.5,"
	                 "\"memory_mib\":512,\"pids\":64,\"diskMiB\":2048,\"ioMiBps\":20}}}");
	const struct task_resources *kept = &spec.runtime.resources;

	(void)state;
	assert_int_equal(kept->cpu, 150);
	assert_int_equal(kept->memory_mib, 512);
	assert_int_equal(kept->processes, 64);
	assert_int_equal(kept->disk_mib, 2048);
	assert_int_equal(kept->io_mibps, 20);
	assert_true(str_is(task_runtime_json(&spec, arena),
	                   "{\"type\":\"local\",\"resources\":{\"cpu\":1.50,\"memoryMiB\":512,"
	                   "\"processes\":64,\"diskMiB\":2048,\"ioMiBps\":20}}"));
	refused("{\"prompt\":\"x\",\"repo\":{\"mode\":\"none\"},\"agents\":[" AGENT
	        "],\"runtime\":{\"type\":\"local\",\"resources\":{\"cpu\":0,\"memoryMiB\":0,"
	        "\"processes\":1.5,\"diskMiB\":\"1G\",\"gpu\":1}}}",
	        "runtime.resources.cpu: must be a number from 0.01 to 10000\n"
	        "runtime.resources.memoryMiB: must be an integer from 1 to 67108864\n"
	        "runtime.resources.processes: must be an integer from 1 to 4194304\n"
	        "runtime.resources.diskMiB: must be an integer from 1 to 1073741824\n"
	        "runtime.resources.gpu: is not a known field");
}

static void what_is_stored_becomes_the_workers_order(void **state)
{
	struct task_spec spec = accepted(
		"{\"prompt\":\"say \\\"hi\\\"\",\"repo\":{\"mode\":\"git\",\"url\":\"/srv/r\","
		"\"branch\":\"main\"},\"runtime\":{\"type\":\"disabled\","
		"\"resources\":{\"cpu\":0.25}},"
		"\"agents\":[{\"type\":\"command\",\"count\":2,\"settings\":{\"argv\":[\"sh\"],"
		"\"env\":{\"K\":\"v\"},\"timeout_s\":9,\"pty\":true}}],"
		"\"delivery\":{\"mode\":\"branch\",\"targetBranch\":\"out\"},\"labels\":{\"a\":"
		"\"b\"}}");
	const struct task_agent *agent = spec.agents.items;
	struct task_run_parts parts = {
		.session = STR_LIT("s"),
		.tenant = STR_LIT("t"),
		.task = STR_LIT("k"),
		.prompt = task_prompt_json(&spec, arena),
		.repo = task_repo_json(&spec, arena),
		.runtime = task_runtime_json(&spec, arena),
		.agent = task_agent_json(agent, arena),
		.delivery = task_delivery_json(&spec, arena),
	};
	const struct task_agent *got;
	struct task_run run;
	struct buf out;
	struct err err;

	(void)state;
	assert_true(str_is(task_labels_json(&spec, arena), "{\"a\":\"b\"}"));
	assert_true(str_is(task_prompt_text(parts.prompt, arena), "say \"hi\""));
	buf_init(&out, TASK_RUN_MAX);
	task_run_encode(&parts, &out);
	assert_int_equal(task_run_decode(buf_str(&out), &run, arena, &err), ERR_OK);
	got = run.spec.agents.items;
	assert_int_equal(run.attempt, 1);
	assert_true(str_is(run.session, "s") && str_is(run.tenant, "t") && str_is(run.task, "k"));
	assert_true(str_is(run.spec.repo.url, "/srv/r"));
	assert_int_equal(run.spec.runtime.type, TASK_RUNTIME_DISABLED);
	assert_int_equal(run.spec.runtime.resources.cpu, 25);
	assert_int_equal(got->count, 1);
	assert_int_equal(got->command.timeout_s, 9);
	assert_int_equal(got->command.env.count, 1);
	assert_int_equal(got->command.pty.rows, TASK_PTY_ROWS);
	assert_true(run.spec.has_delivery && str_is(run.spec.delivery.target_branch, "out"));
	assert_int_equal(task_run_decode(STR_LIT("{}"), &run, arena, &err), ERR_INVALID);
	assert_string_equal(err.msg, "run: session is required");
	buf_reset(&out);
	parts.attempt = 2;
	parts.max_attempts = 3;
	task_run_encode(&parts, &out);
	assert_int_equal(task_run_decode(buf_str(&out), &run, arena, &err), ERR_OK);
	assert_int_equal(run.attempt, 2);
	assert_int_equal(run.spec.max_attempts, 3);
	buf_fini(&out);
}

static struct json_value *schema_of(const struct json_table *table)
{
	struct json_value *schema;
	struct buf out;
	struct err err;

	buf_init(&out, 1 << 20);
	json_schema(table, &out);
	schema = json_parse(buf_str(&out), &err);
	assert_non_null(schema);
	buf_fini(&out);
	return schema;
}

static void settings_of_agents_are_decoded_and_stored(void **state)
{
	struct task_spec spec =
		accepted("{\"prompt\":\"go\"," PLACE ",\"agents\":["
	                 "{\"type\":\"claude-code\"},"
	                 "{\"type\":\"codex\",\"settings\":{\"model\":\"m\",\"mode\":\"plan\","
	                 "\"interactive\":true,\"config\":{\"a\":[1.5]},\"env\":{\"K\":\"v\"},"
	                 "\"timeout_s\":9}},"
	                 "{\"type\":\"acp\",\"settings\":{\"argv\":[\"agent\",\"--acp\"]}},"
	                 "{\"agent\":{\"software\":\"Gemini\",\"version\":\"1\"},\"model\":\"g\","
	                 "\"count\":2}]}");
	const struct task_agent *agents = spec.agents.items;
	struct str stored = task_agents_json(&spec, arena);

	(void)state;
	assert_true(agents[1].command.interactive && str_is(agents[1].command.model, "m"));
	assert_true(str_is(agents[1].command.config, "{\"a\":[1.5]}"));
	assert_string_equal(
		stored.p,
		"[{\"type\":\"claude-code\",\"version\":\"latest\",\"count\":1,\"settings\":{}},"
		"{\"type\":\"codex\",\"version\":\"latest\",\"count\":1,\"settings\":{\"env\":{"
		"\"K\":\"v\"},\"timeout_s\":9,\"model\":\"m\",\"mode\":\"plan\",\"interactive\":"
		"true,\"config\":{\"a\":[1.5]}}},"
		"{\"type\":\"acp\",\"version\":\"latest\",\"count\":1,\"settings\":{\"argv\":["
		"\"agent\",\"--acp\"]}},"
		"{\"type\":\"gemini\",\"version\":\"1\",\"count\":2,\"settings\":{\"model\":"
		"\"g\"}}]");
}

static void settings_of_agents_have_rules(void **state)
{
	(void)state;
	refused("{\"prompt\":\"x\"," PLACE ",\"agents\":[{\"type\":\"acp\"},{\"type\":\"gemini\","
	        "\"settings\":{\"argv\":[\"x\"],\"model\":\"\",\"config\":1,"
	        "\"interactive\":\"no\"}},{\"agent\":{\"software\":\"Hal\"}}]}",
	        "agents[0].settings: is required\n"
	        "agents[1].settings.argv: is not a known field\n"
	        "agents[1].settings.model: must be a string of 1 to 128 bytes\n"
	        "agents[1].settings.config: must be an object\n"
	        "agents[1].settings.interactive: must be true or false\n"
	        "agents[2].agent.software: is not known; use "
	        "{\"type\":\"command\",\"settings\":{...}}");
}

static void check_settings(const struct json_value *agent, const struct json_table *table,
                           size_t count)
{
	struct json_value *whole = schema_of(table);
	const struct json_value *settings =
		json_get(json_get(json_get(agent, "properties"), "settings"), "properties");
	const struct json_value *member;
	struct str name;
	void *at = NULL;

	assert_int_equal(json_count(settings), count);
	while (json_next(settings, &at, &name, &member)) {
		assert_non_null(json_get(json_get(whole, "properties"), name.p));
	}
	json_value_free(whole);
}

static void the_schema_of_a_task_contains_that_of_its_settings(void **state)
{
	struct json_value *task = schema_of(&task_table);
	const struct json_value *agents = json_get(json_get(task, "properties"), "agents");
	const struct json_value *shapes = json_get(json_get(agents, "items"), "oneOf");

	(void)state;
	check_settings(json_at(shapes, 0), &task_command_table, 6);
	check_settings(json_at(shapes, 2), task_settings_table(TASK_AGENT_NAMED), 11);
	json_value_free(task);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_full_form_is_decoded),
		cmocka_unit_test(a_prompt_may_refer_to_uploads),
		cmocka_unit_test(the_short_form_gets_defaults),
		cmocka_unit_test(older_spellings_mean_the_same),
		cmocka_unit_test(an_empty_object_names_all_that_is_required),
		cmocka_unit_test(what_is_not_supported_yet_says_so),
		cmocka_unit_test(an_unknown_word_lists_the_known_ones),
		cmocka_unit_test(settings_of_a_command_are_checked),
		cmocka_unit_test(secrets_of_an_agent_are_names),
		cmocka_unit_test(counts_are_bounded_together),
		cmocka_unit_test(repo_and_delivery_fit_their_modes),
		cmocka_unit_test(when_and_where_it_may_run_is_decoded),
		cmocka_unit_test(when_and_where_has_rules),
		cmocka_unit_test(a_backoff_grows_to_its_bound_with_full_jitter),
		cmocka_unit_test(a_url_cannot_smuggle_an_option_or_a_helper),
		cmocka_unit_test(a_branch_is_what_git_allows),
		cmocka_unit_test(what_escapes_make_too_long_is_refused),
		cmocka_unit_test(resources_have_bounds_and_are_kept),
		cmocka_unit_test(what_is_stored_becomes_the_workers_order),
		cmocka_unit_test(settings_of_agents_are_decoded_and_stored),
		cmocka_unit_test(settings_of_agents_have_rules),
		cmocka_unit_test(the_schema_of_a_task_contains_that_of_its_settings),
	};
	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
