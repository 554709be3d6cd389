import type { Command } from 'commander';
import { CommandFailure, EXIT, withExamples, type RegisterCommand } from '../command.js';

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('completion')
      .description('a completion script for bash, zsh or fish')
      .argument('<shell>', 'bash, zsh or fish')
      .action((shell: string) => {
        const words = commandWords(program);
        switch (shell) {
          case 'bash':
            return terminal.out(bash(words));
          case 'zsh':
            return terminal.out(`autoload -U +X bashcompinit && bashcompinit\n${bash(words)}`);
          case 'fish':
            return terminal.out(fish(words));
          default:
            throw new CommandFailure(EXIT.usage, `"${shell}" is not bash, zsh or fish`);
        }
      }),
    'completion bash > /etc/bash_completion.d/headroom',
    'completion fish > ~/.config/fish/completions/headroom.fish',
  );
};

interface Words {
  name: string;
  description: string;
  options: string[];
  commands: string[];
}

const commandWords = (program: Command): Words[] =>
  program.commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    options: [
      ...command.options.flatMap((option) => (option.long === undefined || option.long === null ? [] : [option.long])),
      '--help',
    ],
    commands: command.commands.map((child) => child.name()),
  }));

/** Commands first, then what belongs to the one that stands there; files where nothing else fits. */
const bash = (words: Words[]): string => `_headroom() {
  local current="\${COMP_WORDS[COMP_CWORD]}"
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${words.map(({ name }) => name).join(' ')} --help" -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${words
  .map(
    ({ name, options, commands }) =>
      `    ${name}) COMPREPLY=($(compgen -W "${[...commands, ...options].join(' ')}" -- "$current")) ;;`,
  )
  .join('\n')}
  esac
}
complete -o default -F _headroom headroom`;

const quote = (text: string): string => `'${text.replaceAll("'", "\\'")}'`;

const fish = (words: Words[]): string =>
  words
    .flatMap(({ name, description, options, commands }) => [
      `complete -c headroom -n __fish_use_subcommand -f -a ${name} -d ${quote(description)}`,
      ...commands.map((child) => `complete -c headroom -n '__fish_seen_subcommand_from ${name}' -f -a ${child}`),
      ...options.map((option) => `complete -c headroom -n '__fish_seen_subcommand_from ${name}' -l ${option.slice(2)}`),
    ])
    .join('\n');
