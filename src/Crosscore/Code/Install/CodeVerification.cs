using System.Runtime.InteropServices;

namespace Crosscore.Code;

/// <summary>
/// Examines code after it has been sealed and before it can be executed, and may refuse it. It sees what will run: the
/// bytes are read back from the sealed file, which no process can change any more, the writer included.
/// </summary>
public interface ICodeVerifier
{
    /// <summary>Judges one segment. An exception refuses it too, and reaches the caller as it is.</summary>
    /// <param name="code">The sealed bytes and the functions in them.</param>
    CodeVerdict Verify(CodeToVerify code);
}

/// <summary>A sealed segment as its verifier sees it.</summary>
public readonly ref struct CodeToVerify
{
    internal CodeToVerify(ReadOnlySpan<byte> bytes, ReadOnlySpan<CodeFunction> functions, Architecture architecture)
    {
        Bytes = bytes;
        Functions = functions;
        Architecture = architecture;
    }

    /// <summary>
    /// Gets all bytes that will be executable, the trapping ones between and after the functions included.
    /// </summary>
    public ReadOnlySpan<byte> Bytes { get; }

    /// <summary>Gets the functions and further entry points, in the order in which they were added.</summary>
    public ReadOnlySpan<CodeFunction> Functions { get; }

    /// <summary>Gets the processor for which the code is.</summary>
    public Architecture Architecture { get; }
}

/// <summary>The verdict of a verifier. The default value refuses.</summary>
public readonly struct CodeVerdict : IEquatable<CodeVerdict>
{
    private readonly string? _reason;

    private CodeVerdict(bool isAccepted, string? reason)
    {
        IsAccepted = isAccepted;
        _reason = reason;
    }

    /// <summary>Gets the verdict that the code may run.</summary>
    public static CodeVerdict Accepted => new(true, null);

    /// <summary>Gets whether the code may run.</summary>
    public bool IsAccepted { get; }

    /// <summary>Gets why it may not.</summary>
    public string Reason => IsAccepted ? "" : _reason ?? "The verifier gave no reason.";

    /// <summary>Returns the verdict that the code must not run.</summary>
    /// <param name="reason">Why, and at which offset; it becomes the message of the exception.</param>
    public static CodeVerdict Refused(string reason) => new(false, reason);

    /// <inheritdoc/>
    public bool Equals(CodeVerdict other) => IsAccepted == other.IsAccepted && Reason == other.Reason;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is CodeVerdict other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(IsAccepted, Reason);

    /// <summary>Whether both say the same.</summary>
    public static bool operator ==(CodeVerdict left, CodeVerdict right) => left.Equals(right);

    /// <summary>Whether they differ.</summary>
    public static bool operator !=(CodeVerdict left, CodeVerdict right) => !left.Equals(right);
}
