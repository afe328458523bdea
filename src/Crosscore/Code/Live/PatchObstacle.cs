namespace Crosscore.Code;

/// <summary>Why a patch, or one way to write it, is refused.</summary>
/// <param name="Failure">What the exception says.</param>
/// <param name="Text">The reason, as a part of a sentence.</param>
internal sealed record PatchObstacle(CodeFailure Failure, string Text);
