# $1: folder of the PostgreSQL programs, $2: data folder to make.
# Made beside its place and moved there when complete: an interrupted first start leaves nothing half done.
set -eu
rm -rf "$2.new"
"$1/initdb" -D "$2.new" -U postgres -A trust -E UTF8 --locale=C --no-instructions >/dev/null
printf '%s\n' 'CREATE ROLE fairlead LOGIN;' 'CREATE DATABASE fairlead OWNER fairlead;' |
	"$1/postgres" --single -D "$2.new" postgres >/dev/null
mv "$2.new" "$2"
