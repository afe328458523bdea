namespace Crosscore.Model.Programs;

/// <summary>Where a micro-operation takes a value from: a register of its thread, or a constant.</summary>
internal readonly record struct Operand
{
    // One more than the register, so that the default is the constant 0.
    private readonly int _registerPlusOne;

    private Operand(int register, ulong constant)
    {
        _registerPlusOne = register + 1;
        Constant = constant;
    }

    /// <summary>The register, or -1 for a constant.</summary>
    public int Register => _registerPlusOne - 1;

    /// <summary>The constant.</summary>
    public ulong Constant { get; }

    /// <summary>Whether it is a constant.</summary>
    public bool IsConstant => _registerPlusOne == 0;

    /// <summary>A register.</summary>
    /// <param name="register">Its number, from 0.</param>
    public static Operand Of(int register) => new(register, 0);

    /// <summary>A constant.</summary>
    /// <param name="value">Its bits.</param>
    public static Operand Number(ulong value) => new(-1, value);
}
