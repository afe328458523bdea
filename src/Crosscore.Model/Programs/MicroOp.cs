namespace Crosscore.Model.Programs;

/// <summary>What a micro-operation does.</summary>
public enum MicroOpKind
{
    /// <summary>Destination := Function(A, B). Touches nothing but registers of its thread.</summary>
    Compute,

    /// <summary>Goes to Target when A is not zero.</summary>
    Branch,

    /// <summary>Goes to Target.</summary>
    Jump,

    /// <summary>Destination := the Width bytes of memory at address A, zero-extended.</summary>
    Load,

    /// <summary>The Width bytes of memory at address A := B.</summary>
    Store,

    /// <summary>
    /// From here to <see cref="AtomicEnd"/> one indivisible step that reads and writes memory directly, after everything earlier of its core has
    /// reached memory.
    /// </summary>
    AtomicBegin,

    /// <summary>Ends the indivisible step.</summary>
    AtomicEnd,

    /// <summary>A full fence: waits until every earlier store of its core has reached memory.</summary>
    Fence,

    /// <summary>Demands of every other core that it passes a full fence from now on, once.</summary>
    RequestFences,

    /// <summary>Waits until every core has passed the fence that this thread demanded.</summary>
    AwaitFences,

    /// <summary>The thread ends.</summary>
    Halt,
}

/// <summary>A pure function of two values; equal arguments give equal results.</summary>
/// <param name="a">The first value.</param>
/// <param name="b">The second value.</param>
public delegate ulong ValueFunction(ulong a, ulong b);

/// <summary>
/// One step of a thread, of any instruction set: what a front end lowers its instructions to. The model knows no instruction set; condition flags are
/// an ordinary register, and what an instruction computes is a function that the front end supplies.
/// </summary>
public sealed record MicroOp
{
    private MicroOp(MicroOpKind kind) => Kind = kind;

    /// <summary>What it does.</summary>
    public MicroOpKind Kind { get; private init; }

    /// <summary>The register that takes the result.</summary>
    public int Destination { get; private init; } = -1;

    /// <summary>The first operand, or the address.</summary>
    public Operand A { get; private init; }

    /// <summary>The second operand, or the value to store.</summary>
    public Operand B { get; private init; }

    /// <summary>What a <see cref="MicroOpKind.Compute"/> computes.</summary>
    public ValueFunction? Function { get; private init; }

    /// <summary>Bytes accessed: 1, 2, 4 or 8.</summary>
    public int Width { get; private init; }

    /// <summary>The operation that a branch or jump goes to.</summary>
    public int Target { get; init; } = -1;

    /// <summary>The front end's number of the instruction this belongs to; comes back in traces.</summary>
    public int Source { get; init; } = -1;

    /// <summary>Makes a <see cref="MicroOpKind.Compute"/>.</summary>
    public static MicroOp Compute(int destination, ValueFunction function, Operand a, Operand b) =>
        new(MicroOpKind.Compute) { Destination = destination, Function = function, A = a, B = b };

    /// <summary>Makes a <see cref="MicroOpKind.Compute"/> that copies.</summary>
    public static MicroOp Copy(int destination, Operand value) => Compute(destination, static (a, _) => a, value, Operand.Number(0));

    /// <summary>Makes a <see cref="MicroOpKind.Branch"/>.</summary>
    public static MicroOp Branch(Operand condition, int target) => new(MicroOpKind.Branch) { A = condition, Target = target };

    /// <summary>Makes a <see cref="MicroOpKind.Jump"/>.</summary>
    public static MicroOp Jump(int target) => new(MicroOpKind.Jump) { Target = target };

    /// <summary>Makes a <see cref="MicroOpKind.Load"/>.</summary>
    public static MicroOp Load(int destination, Operand address, int width) =>
        new(MicroOpKind.Load) { Destination = destination, A = address, Width = width };

    /// <summary>Makes a <see cref="MicroOpKind.Store"/>.</summary>
    public static MicroOp Store(Operand address, Operand value, int width) =>
        new(MicroOpKind.Store) { A = address, B = value, Width = width };

    /// <summary>Makes an operation without operands.</summary>
    /// <param name="kind">One of <see cref="MicroOpKind.AtomicBegin"/>, <see cref="MicroOpKind.AtomicEnd"/>, <see cref="MicroOpKind.Fence"/>,
    /// <see cref="MicroOpKind.RequestFences"/>, <see cref="MicroOpKind.AwaitFences"/>, <see cref="MicroOpKind.Halt"/>.</param>
    public static MicroOp Plain(MicroOpKind kind) => kind >= MicroOpKind.AtomicBegin
        ? new(kind)
        : throw new ArgumentOutOfRangeException(nameof(kind), kind, "This operation has operands.");
}
