import test from 'ava';
import {createLock} from '../../src/shared/index.js';
import {lockContract} from '../contract/lockContract.js';

lockContract(test, createLock);
