// What main.bicep is given: from the environment, so that no secret is written down. Further
// parameters may follow on the command line, as in `--parameters infra/main.bicepparam sku=P1v3`.
using 'main.bicep'

param name = readEnvironmentVariable('UNDERTONE_NAME')
param secretKey = readEnvironmentVariable('SECRET_KEY')
param contact = readEnvironmentVariable('SER_CONTACT', '')
