using Crosscore.Litmus.Assemblers;
using Crosscore.Litmus.Lowering;
using Crosscore.Litmus.Syntax;
using Crosscore.Model.Cores;

namespace Crosscore.Litmus.Isa.Common;

/// <summary>
/// An instruction set in which tests are written: how its columns and its values are read, what they mean in the model,
/// and how they run on a machine. Nothing outside of its folder knows more of it.
/// </summary>
internal interface IInstructionSet
{
    /// <summary>Gets the name in the first line of a test.</summary>
    Architecture Architecture { get; }

    /// <summary>Gets the kind of cores that execute its instructions.</summary>
    CoreKind HomeCore { get; }

    // Syntax

    /// <summary>Whether a column may have a fault handler beside it, in a column <c>P0.F</c>.</summary>
    bool HasFaultHandlers { get; }

    /// <summary>Gets what is expected where a register is, for messages.</summary>
    string RegisterExample { get; }

    /// <summary>Begins a column, which then reads its instructions.</summary>
    /// <param name="id">The number of the column.</param>
    /// <param name="scanner">The text.</param>
    /// <param name="state">The initial state, which has been read.</param>
    Column NewColumn(int id, LitmusScanner scanner, InitialState state);

    /// <summary>Finds a general register; <see langword="null"/> when the name is not that of one.</summary>
    /// <param name="name">The name, in any case.</param>
    TestRegister? FindRegister(string name);

    /// <summary>Whether what follows a column and a colon is a label and no register.</summary>
    /// <param name="name">The name.</param>
    bool IsLabel(string name);

    /// <summary>Gets the place of a register in the order in which herd prints registers.</summary>
    /// <param name="register">The register.</param>
    int PrintOrder(TestRegister register);

    /// <summary>Gets the bytes of the widest name that a column uses for a register; 0 when it does not use
    /// it.</summary>
    /// <param name="column">The column.</param>
    /// <param name="register">The register.</param>
    int WidestUse(LitmusThread column, TestRegister register);

    // Initial values

    /// <summary>
    /// Gets how entries of translation tables are written; <see langword="null"/> when its tests have no tables.
    /// </summary>
    IPageEntrySyntax? PageEntries { get; }

    /// <summary>
    /// Reads the address of a label or an opcode, if a token begins one; otherwise gets <see langword="null"/>.
    /// </summary>
    /// <param name="scanner">The text behind the token.</param>
    /// <param name="state">The initial state.</param>
    /// <param name="first">The token.</param>
    InitialValue? ReadCodeValue(LitmusScanner scanner, InitialState state, Token first);

    /// <summary>
    /// Gets the opcodes that a test has as values; <see langword="null"/> when code is no data in its tests.
    /// </summary>
    /// <param name="test">The test.</param>
    IReadOnlyDictionary<ulong, ITestInstruction>? OpcodesOf(LitmusTest test);

    // Meaning

    /// <summary>Lowers all columns of a test.</summary>
    /// <param name="test">The test.</param>
    /// <param name="layout">Its memory.</param>
    /// <param name="kernel">The kernel design that it runs on, if any.</param>
    /// <exception cref="LitmusException">An instruction has no meaning in the model.</exception>
    LoweredColumns Lower(LitmusTest test, MemoryLayout layout, KernelLowering? kernel);

    /// <summary>Gets a full memory barrier at the place of another instruction.</summary>
    /// <param name="replaced">The other instruction.</param>
    ITestInstruction FullBarrier(ITestInstruction replaced);

    // Machine

    /// <summary>Gets the assembler; <see langword="null"/> when tests can only be explored.</summary>
    ITestAssembler? Assembler { get; }

    /// <summary>
    /// Gets why a test cannot run on a machine, by what is in its columns and its memory; <see langword="null"/> when
    /// it can.
    /// </summary>
    /// <param name="test">The test.</param>
    string? WhyModelOnly(LitmusTest test);
}

/// <summary>How tests write entries of translation tables.</summary>
internal interface IPageEntrySyntax
{
    /// <summary>Gets the entry of a location of which the test says nothing.</summary>
    /// <param name="location">The location.</param>
    PageEntry Default(string? location);

    /// <summary>Reads what follows the opening parenthesis.</summary>
    /// <param name="scanner">The text.</param>
    /// <param name="physical">Reads the name of a physical location from its first token.</param>
    PageEntry Read(LitmusScanner scanner, Func<Token, string> physical);

    /// <summary>Formats an entry as tests write it.</summary>
    /// <param name="entry">The bits of the entry.</param>
    /// <param name="describe">Names the location at an address.</param>
    string Format(ulong entry, Func<ulong, string?> describe);
}
