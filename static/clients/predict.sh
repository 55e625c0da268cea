# sh predict.sh http://127.0.0.1:8000 recording.m4a
curl --fail-with-body --silent --show-error --form "file=@$2" "$1/predict"
