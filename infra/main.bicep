// Undertone on Azure App Service: a plan, the site with a staging slot, a storage account that only
// the site reaches, and Application Insights. How to deploy it: docs/deploy.md.
//
// No secret stands here or is an output. SECRET_KEY comes as a parameter that Azure neither logs nor
// shows (@secure), read from the environment by main.bicepparam, and is kept as an app setting, which
// App Service encrypts at rest. A Key Vault reference would need a second role for the site.
targetScope = 'resourceGroup'

@description('Name of the site: https://NAME.azurewebsites.net. Must be free in all of Azure.')
@minLength(2)
@maxLength(40)
param name string

@description('Region of everything.')
param location string = resourceGroup().location

@description('Size of the plan. Those that begin with B have no staging slot.')
@allowed(['B1', 'B2', 'B3', 'S1', 'S2', 'S3', 'P0v3', 'P1v3', 'P2v3'])
param sku string = 'P0v3'

@description('How many machines of that size.')
@minValue(1)
@maxValue(10)
param instances int = 1

@description('Signs cookies. Give the same one each time: with another one visitors lose what they made.')
@secure()
@minLength(32)
param secretKey string

@description('Days after which a kept analysis is deleted: by the site, and by the storage account itself.')
@minValue(1)
@maxValue(3650)
param retentionDays int = 30

@description('Days for which a link opens that shows an answer to others.')
@minValue(1)
@maxValue(3650)
param shareDays int = 7

@description('Who operates the site, as its privacy page names them.')
param contact string = ''

@description('What the operator adds to the notice that visitors read before the first analysis.')
param notice string = ''

@description('The model that answers unless a request names one; empty for the default.')
param model string = ''

@description('Container of the analyses; those of contributions and of what is under way bear its name too.')
@minLength(3)
@maxLength(40)
param container string = 'undertone'

@description('Largest recording that is taken, in MB.')
@minValue(1)
@maxValue(2048)
param maxUploadMb int = 100

@description('Longest recording that is taken, in seconds.')
@minValue(1)
@maxValue(86400)
param maxSeconds int = 3600

@description('Recordings analysed side by side in each worker.')
@minValue(1)
@maxValue(64)
param concurrency int = 2

@description('Keys of programs that may use the API, as NAME:HASH with commas between; empty: anybody may.')
@secure()
param apiKeys string = ''

@description('How many recordings a key, or else an address, may have analysed; off for no limit.')
param rateLimit string = '60 per minute'

@description('Where that is counted, may hold a password; empty: in each worker by itself.')
@secure()
param rateStore string = ''

@description('Websites whose scripts may use the API, with commas between; empty: none.')
param corsOrigins string = ''

@description('A model on trial, by its name; empty: none.')
param challenger string = ''

@description('Share of the recordings that it hears, percent.')
@minValue(0)
@maxValue(100)
param challengerShare int = 10

@description('How log lines look.')
@allowed(['text', 'json'])
param logFormat string = 'json'

// Microsoft's number for the role "Storage Blob Data Contributor".
var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var hasSlot = !startsWith(sku, 'B')

// What the site and its slot are told. The first part is webapp/settings.py, the second the platform.
var settings = {
  SECRET_KEY: secretKey
  SER_STORAGE: 'azure'
  AZURE_STORAGE_ACCOUNT_URL: 'https://${storage.name}.blob.${environment().suffixes.storage}'
  SER_CONTAINER: container
  SER_MODEL: model
  SER_MAX_UPLOAD_MB: string(maxUploadMb)
  SER_MAX_SECONDS: string(maxSeconds)
  SER_RETENTION_DAYS: string(retentionDays)
  SER_SHARE_DAYS: string(shareDays)
  SER_CONCURRENCY: string(concurrency)
  SER_CONTACT: contact
  SER_NOTICE: notice
  SER_API_KEYS: apiKeys
  SER_RATE_LIMIT: rateLimit
  SER_RATE_STORE: rateStore
  SER_CORS_ORIGINS: corsOrigins
  SER_CHALLENGER: challenger
  SER_CHALLENGER_SHARE: string(challengerShare)
  SER_LOG_FORMAT: logFormat
  APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString

  // Which managed identity azure-identity takes.
  AZURE_CLIENT_ID: identity.properties.clientId
  // The build: packages of requirements-azure.txt, then one analysis. It prepares what would be
  // compiled at the start, and a build that cannot answer fails here.
  SCM_DO_BUILD_DURING_DEPLOYMENT: 'true'
  CUSTOM_REQUIREMENTSTXT_PATH: 'requirements-azure.txt'
  POST_BUILD_COMMAND: 'python -m ml predict samples/happy-woman.flac'
  // Seconds: to unpack 1 GB and start; to finish what is being analysed (webapp/serving.py takes 110).
  WEBSITES_CONTAINER_START_TIME_LIMIT: '600'
  WEBSITES_CONTAINER_STOP_TIME_LIMIT: '120'
  // A swap waits until the slot answers so.
  WEBSITE_SWAP_WARMUP_PING_PATH: '/health'
  WEBSITE_SWAP_WARMUP_PING_STATUSES: '200'
  // Azure's own agent would tell addresses; webapp/telemetry.py tells routes.
  ApplicationInsightsAgent_EXTENSION_VERSION: 'disabled'
}

var siteProperties = {
  serverFarmId: plan.id
  httpsOnly: true
  clientAffinityEnabled: false
  virtualNetworkSubnetId: network.properties.subnets[0].id
  // The subnet's service endpoint goes through it all the same; the rest needs no network.
  vnetRouteAllEnabled: false
  siteConfig: {
    // On Debian 12; App Service's 3.12 is on Debian 11, which gets no updates any more.
    linuxFxVersion: 'PYTHON|3.13'
    appCommandLine: 'sh startup.sh'
    healthCheckPath: '/health'
    alwaysOn: true
    http20Enabled: true
    minTlsVersion: '1.2'
    scmMinTlsVersion: '1.2'
    ftpsState: 'Disabled'
    remoteDebuggingEnabled: false
    // The platform's access log would hold visitors' addresses; the site's own has none.
    httpLoggingEnabled: false
    detailedErrorLoggingEnabled: false
    requestTracingEnabled: false
  }
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: '${name}-identity'
  location: location
}

resource network 'Microsoft.Network/virtualNetworks@2023-11-01' = {
  name: '${name}-network'
  location: location
  properties: {
    addressSpace: {
      addressPrefixes: ['10.0.0.0/24']
    }
    subnets: [
      {
        name: 'site'
        properties: {
          addressPrefix: '10.0.0.0/26'
          delegations: [
            {
              name: 'site'
              properties: {
                serviceName: 'Microsoft.Web/serverFarms'
              }
            }
          ]
          serviceEndpoints: [
            {
              service: 'Microsoft.Storage'
            }
          ]
        }
      }
    ]
  }
}

resource storage 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: 'undertone${uniqueString(resourceGroup().id)}'
  location: location
  kind: 'StorageV2'
  sku: {
    name: 'Standard_LRS'
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    allowCrossTenantReplication: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // Reached from the site's subnet alone, which is what its public endpoint stays on for.
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      defaultAction: 'Deny'
      bypass: 'None'
      ipRules: []
      virtualNetworkRules: [
        {
          id: network.properties.subnets[0].id
          action: 'Allow'
        }
      ]
    }
  }
}

// What is deleted is gone: nothing brings a voice back.
resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: storage
  name: 'default'
  properties: {
    deleteRetentionPolicy: {
      enabled: false
    }
    containerDeleteRetentionPolicy: {
      enabled: false
    }
    isVersioningEnabled: false
    changeFeed: {
      enabled: false
    }
    restorePolicy: {
      enabled: false
    }
  }
}

resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = [for suffix in ['', '-challenge', '-contributions', '-running']: {
  parent: blobs
  name: '${container}${suffix}'
  properties: {
    publicAccess: 'None'
  }
}]

// A second pair of hands: the site deletes by itself what has come to its day. Contributions have no
// day; they are kept until they are taken back.
resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2023-05-01' = {
  parent: storage
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'analyses'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: ['blockBlob']
              prefixMatch: ['${container}/', '${container}-challenge/']
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterCreationGreaterThan: retentionDays
                }
              }
            }
          }
        }
        {
          name: 'running'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: ['blockBlob']
              prefixMatch: ['${container}-running/']
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterCreationGreaterThan: 1
                }
              }
            }
          }
        }
      ]
    }
  }
}

resource role 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: storage
  name: guid(storage.id, identity.id, blobDataContributor)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource workspace 'Microsoft.OperationalInsights/workspaces@2022-10-01' = {
  name: '${name}-logs'
  location: location
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: 30
    workspaceCapping: {
      dailyQuotaGb: 1
    }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: '${name}-insights'
  location: location
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    IngestionMode: 'LogAnalytics'
    DisableIpMasking: false
  }
}

resource plan 'Microsoft.Web/serverfarms@2023-12-01' = {
  name: '${name}-plan'
  location: location
  kind: 'linux'
  sku: {
    name: sku
    capacity: instances
  }
  properties: {
    reserved: true
  }
}

resource site 'Microsoft.Web/sites@2023-12-01' = {
  name: name
  location: location
  kind: 'app,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: siteProperties
}

resource siteSettings 'Microsoft.Web/sites/config@2023-12-01' = {
  parent: site
  name: 'appsettings'
  properties: settings
}

// Deployments sign in with Entra ID; the passwords that a site has of its own are off.
resource siteFtp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2023-12-01' = {
  parent: site
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource siteScm 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2023-12-01' = {
  parent: site
  name: 'scm'
  properties: {
    allow: false
  }
}

resource slot 'Microsoft.Web/sites/slots@2023-12-01' = if (hasSlot) {
  parent: site
  name: 'staging'
  location: location
  kind: 'app,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: siteProperties
}

resource slotSettings 'Microsoft.Web/sites/slots/config@2023-12-01' = if (hasSlot) {
  parent: slot
  name: 'appsettings'
  properties: settings
}

resource slotFtp 'Microsoft.Web/sites/slots/basicPublishingCredentialsPolicies@2023-12-01' = if (hasSlot) {
  parent: slot
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource slotScm 'Microsoft.Web/sites/slots/basicPublishingCredentialsPolicies@2023-12-01' = if (hasSlot) {
  parent: slot
  name: 'scm'
  properties: {
    allow: false
  }
}

output url string = 'https://${site.properties.defaultHostName}'
output storageAccount string = storage.name
