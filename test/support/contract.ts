export { type AsyncApiContract, asyncApiContract } from './contract/asyncapi.js';
export { ContractClient } from './contract/client.js';
export {
  type HttpAnswer,
  type OpenApiContract,
  openApiContract,
} from './contract/openapi.js';
