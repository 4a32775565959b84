export * from './arithmetic';
export * from './move';
