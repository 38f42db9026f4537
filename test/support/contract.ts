export { type AsyncApiContract, asyncApiContract } from './contract/asyncapi.js';
export {
  type DocumentedOperation,
  type HttpAnswer,
  type OpenApiContract,
  openApiContract,
  type PreparedCall,
} from './contract/openapi.js';
