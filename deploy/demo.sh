# The demo task of deploy/up: what an agent would do, done by a few commands, in its own clone.
set -eu
echo "== where am I"
git log -1 --format='%h %s'
git ls-files | wc -l | xargs echo "files:"
echo "== how is it built"
grep -n 'project(' CMakeLists.txt
cc --version | head -n 1
echo "== who appends to a session's log"
grep -rn --include='*.c' 'log_append(' . | head -n 5
echo "== an edit"
printf '\nThis line was added by the demo task.\n' >>README.md
git diff --stat
