#!/bin/sh
# Waits until a site on App Service says at /health that it can answer, for ten minutes at most.
#   infra/healthy.sh GROUP SITE [SLOT]
set -eu
group=$1
site=$2
slot=${3:-}
host=$(az webapp show --resource-group "$group" --name "$site" ${slot:+--slot "$slot"} \
    --query defaultHostName --output tsv)
# A start takes minutes, and 502 and 503 are what it answers until then.
curl --fail --silent --show-error --max-time 60 --retry 20 --retry-delay 15 --retry-max-time 600 \
    --retry-all-errors "https://$host/health"
