// Puts the page together.
import {ChatView} from './chat/chat_view';
import {Chats} from './chat/chats';
import {ConversationList} from './chat/conversation_list';
import {EngineView} from './engine/engine_view';
import {ModelView} from './model/model_view';
import {begin_key_dialog} from './page/key_dialog';
import {Shell} from './page/shell';
import {Shortcuts} from './page/shortcuts';
import {begin_theme} from './page/theme';

const kStoreMs = 2000;

function add_shortcuts(shortcuts: Shortcuts, shell: Shell, chats: Chats, chat: ChatView, list: ConversationList, engine: EngineView): void {
  const in_chat = (run: () => void) => () => shell.current === 'chat' && run();
  const in_engine = (run: () => void) => () => shell.current === 'engine' && run();
  const search = (): void => {
    shell.go('chat');
    list.search.focus();
  };
  shortcuts.add(
    {key: 'Escape', label: 'Stop the answer', while_typing: true, run: in_chat(() => chats.stop())},
    {key: '/', label: 'Write a message', run: in_chat(() => chat.composer.field.focus())},
    {key: 'n', label: 'New conversation', run: in_chat(() => {
      chats.open_new();
      chat.composer.field.focus();
    })},
    {key: 's', label: 'Search the conversations', run: search},
    {key: 'e', label: 'Edit the last message', run: in_chat(() => chat.edit_last())},
    {key: 'r', label: 'Answer again', run: in_chat(() => chat.regenerate_last())},
    {key: 'c', label: 'Continue an answer that was cut', run: in_chat(() => chat.continue_last())},
    {key: 't', label: 'Token view of the last answer', run: in_chat(() => chat.toggle_tokens())},
    {key: '[', label: 'Previous branch of the last answer', run: in_chat(() => chat.step_branch(-1))},
    {key: ']', label: 'Next branch of the last answer', run: in_chat(() => chat.step_branch(1))},
    {key: ',', label: 'Settings', run: in_chat(() => chat.toggle_settings())},
    {key: '1', label: 'Chat', run: () => shell.go('chat')},
    {key: '2', label: 'Engine', run: () => shell.go('engine')},
    {key: '3', label: 'Model', run: () => shell.go('model')},
    {key: 'p', label: 'Engine: pause or go on', run: in_engine(() => engine.toggle_pause())},
    {key: '+', label: 'Engine: show less time', run: in_engine(() => engine.zoom(-1))},
    {key: '-', label: 'Engine: show more time', run: in_engine(() => engine.zoom(1))});
}

async function begin(): Promise<void> {
  const chats = new Chats();
  const shortcuts = new Shortcuts();
  const chat = new ChatView(chats);
  const engine = new EngineView();
  const views = {chat, engine, model: new ModelView()};
  const list: ConversationList = new ConversationList(chats, () => shell.go('chat'));
  const shell: Shell = new Shell(views, list.element, () => shortcuts.show());
  add_shortcuts(shortcuts, shell, chats, chat, list, engine);
  begin_key_dialog();
  document.body.append(shell.element);
  // A browser that is slow to open its store does not keep the page from the user.
  await Promise.race([chats.begin(), new Promise(resolve => setTimeout(resolve, kStoreMs))]);
  shell.begin();
}

begin_theme();
document.addEventListener('DOMContentLoaded', () => void begin());
