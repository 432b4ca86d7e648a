# Adapts deploy/nginx.conf to a container beside that of Sluice: compose.yaml, docs/how-to/containers.md.

# It runs as a user of its own, who may use no port below 1024.
/^user www-data;$/d
s|listen 80|listen 8080|
s|listen 443|listen 8443|
# The root is read-only. /tmp is in memory, /var/lib/nginx a volume.
s|/run/nginx\.pid|/tmp/nginx.pid|
s|error_log /var/log/nginx/error\.log|error_log stderr|
s|/var/log/nginx/sluice\.log|/dev/stdout|
/^http {$/a\
    client_body_temp_path /var/lib/nginx/client_body;\
    proxy_temp_path /var/lib/nginx/proxy;\
    fastcgi_temp_path /var/lib/nginx/fastcgi;\
    uwsgi_temp_path /var/lib/nginx/uwsgi;\
    scgi_temp_path /var/lib/nginx/scgi;
# `auto` would count the CPUs of the machine, not of the container.
s|^worker_processes auto;|worker_processes 2;|
# A container that is made again has a new address. A name in `upstream` would be looked up once, at the start, and
# nginx would not start without one. 127.0.0.11 is Docker's name server; with Podman, the gateway of the network.
/^    upstream sluice {$/,/^    }$/c\
    resolver 127.0.0.11 valid=2s ipv6=off;\
    resolver_timeout 2s;\
    map $host $sluice_address {\
        default sluice:8000;\
    }
s|proxy_pass http://sluice;|proxy_pass http://$sluice_address;|
