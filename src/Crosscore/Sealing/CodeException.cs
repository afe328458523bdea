namespace Crosscore.Code;

/// <summary>
/// Thrown when the operating system, a verifier or the code itself prevents an operation on code. The message says what
/// failed, why, and what to do about it.
/// </summary>
/// <remarks>
/// Everything is as it was before the call that threw; where that cannot be known, <see cref="Failure"/> is
/// <see cref="CodeFailure.OldCodeNotConfirmed"/>.
/// </remarks>
public sealed class CodeException : Exception
{
    internal CodeException(CodeFailure failure, string message, int errno = 0, Exception? cause = null)
        : base(message, cause)
    {
        Failure = failure;
        Errno = errno;
        CodeEvents.CountRefusal();
    }

    /// <summary>Gets the reason.</summary>
    public CodeFailure Failure { get; }

    /// <summary>
    /// Gets the error number that the kernel answered with, or 0 if the reason is not an answer of the kernel.
    /// </summary>
    public int Errno { get; }
}
