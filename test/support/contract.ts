export { type AsyncApiContract, asyncApiContract, type DocumentedRequest } from './contract/asyncapi.js';
export { type CheckedAnswer, ContractClient } from './contract/client.js';
export {
  type CallArguments,
  type DocumentedOperation,
  type HttpAnswer,
  type OpenApiContract,
  openApiContract,
  type PreparedCall,
} from './contract/openapi.js';
